"""Texts as models write them, with what people expect to see; and texts that mean harm."""

from __future__ import annotations

HOSTILE = [
    # Elements
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "a <img src=x onerror=alert(1)> b",
    "<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<style>@import 'http://evil.example'; *{background:url(//evil.example)}</style>",
    "<p style='background:url(javascript:alert(1))' class='status' id='job'>x</p>",
    "<form action=//evil.example><input name=key><button formaction=javascript:alert(1)>x</form>",
    "<meta http-equiv=refresh content='0;url=//evil.example'><base href=//evil.example>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x><embed src=x>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<template><script>alert(1)</script></template><slot name=x>",
    "<!-- <img src=x onerror=alert(1)> --> <![CDATA[<b>]]> <?php x ?> <!doctype html>",
    "<<script>alert(1)//<</script>",
    "<a/href=javascript:alert(1)>x</a><a href='jav&#x09;ascript:alert(1)'>y</a>",
    "`<script>alert(1)</script>`",
    "    <script>alert(1)</script>\n",
    "- <script>\n  alert(1)\n  </script>",
    "> <img src=x onerror=alert(1)>",
    "| <script> | x |\n|---|---|\n| `<b>` | <i onclick=x> |\n",
    # Addresses
    "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) [z]( javascript:alert(1))",
    "[x](java&#115;cript:alert(1)) [y](javascript&colon;alert(1)) [z](java\\script:alert(1))",
    "[x](&#x6A;avascript:alert(1)) [y](java%0ascript:alert(1)) [z](<java\tscript:alert(1)>)",
    "[x](\u0001javascript:alert(1)) [y](javascript\u200b:alert(1)) [z](ｊavascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=) [y](vbscript:x) [z](file:///etc/passwd)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=) ![y](data:image/png;base64,AA) ![z](javascript:alert(1))",
    "[x](//evil.example) [y](/logout) [z](\\\\evil.example) [w](http:evil) [v](?a=b)",
    "[x](blob:http://a/b) [y](ws://a) [z](intent://a) [w](tel:1) [v](view-source:http://a)",
    "<javascript:alert(1)> <data:text/html,x> <x-foo:bar> <http://a.example/'onclick=x>",
    "[x]: javascript:alert(1)\n\n[x] [x][] [y][x]",
    "[x]: <java&#x0a;script:alert(1)> 'title'\n\n[x]",
    '[x](http://a.example "\\" onclick=\\"alert(1)") [y](http://a.example \'" onclick="x\')',
    '[x](http://a.example/"onclick=alert(1)) [y](<http://a.example/> onclick=x)',
    '![" onerror="alert(1)](http://a.example/x.png "\' onload=x")',
    "![![x](javascript:y)](http://a.example) [![x](http://b.example/i.png)](javascript:y)",
    "[<img src=x onerror=alert(1)>](http://a.example) [`<b>`](#x)",
    '[x](#top "y") [y](#"onclick=alert(1)) [z](#<script>)',
    "[x](http://a.example/\u202egnp.exe) [y](http://аррle.example)",
    "[x](http://user:pass@evil.example:80/?q=<script>#<b>)",
    # Names that a page's script could stumble over
    '# job\n\n# " onclick=alert(1)\n\n# <img>\n\n# __proto__\n\n#\n',
    "[^x]: <script>alert(1)</script>\n\na[^x] b[^x]\n",
    "a[^\"><script>] b[^'onclick=x]\n\n[^\"><script>]: y\n\n[^'onclick=x]: z\n",
    "[^a]: [^b]: > [^c]: x\n\n[^a] [^b] [^c]",
    "- [^a]: x\n\n[^a]\n",
    # Code
    '```js" onclick="alert(1)\nx\n```',
    "```<script>alert(1)</script>\n</code></pre><script>\n```",
    "```python\nx = '</span><script>alert(1)</script>' # &lt; <!--\n```",
    "~~~ html\n<script>alert(1)</script>\n~~~\n",
    "```\n</pre><img src=x onerror=alert(1)>\n",
    # Formulas
    r"$\href{javascript:alert(1)}{x}$ \(\href{http://evil.example}{x}\)",
    r"$\unicode{x3cscript}$ $\text{<script>alert(1)</script>}$ $\text{&lt;img src=x onerror=y&gt;}$",
    r"\[\class{status}{x} \style{background:url(//evil.example)}{y} \color{red\"onclick=x}{z}\]",
    r"$$\text{</math><img src=x onerror=alert(1)>}$$",
    r"$\def\a{\b\b}\def\b{\c\c}\a$ $\newcommand{\x}{\x\x}\x$",
    "$$\n<mglyph><svg onload=alert(1)>\n$$\n",
    r"\begin{align}<script>&\\\end{align}",
    r"$\mathbb{<b>}$ $\verb|<i>|$ $\colorbox{x\"}{<u>}$",
    # Entities, controls and the rest of Unicode
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62; &#x3C;i&#x3E; &amp;lt;u&amp;gt;",
    "a\0b <scr\0ipt>alert(1)</scr\0ipt> \x1b[31m \x7f \x08",
    "\u202e<tpircs>\u2066 \u2028\u2029\x85\x0b\x0c <b\u00a0onclick=x> ＜script＞alert(1)＜/script＞",
    "\ufeff<script>\U000e0001\ufffe\uffff</script>",
]

EXPECTED = {
    "emphasis": ("a **b** *c* ~~d~~ `e`", "<p>a <strong>b</strong> <em>c</em> <s>d</s> <code>e</code></p>"),
    "raw HTML is text": ("a <b>c</b>", "<p>a &lt;b&gt;c&lt;/b&gt;</p>"),
    "hard break": ("a  \nb", "<p>a<br>\nb</p>"),
    "a range is not struck": ("5~10 or 6~8", "<p>5~10 or 6~8</p>"),
    "lists": (
        "1. a\n   - b\n     1. c\n2. d",
        "<ol>\n<li>a\n<ul>\n<li>b\n<ol>\n<li>c</li>\n</ol>\n</li>\n</ul>\n</li>\n<li>d</li>\n</ol>",
    ),
    "tasks": (
        "- [ ] a\n- [x] *b*\n- c",
        '<ul class="contains-task-list">\n<li class="task-list-item">☐ a</li>\n'
        '<li class="task-list-item">☑ <em>b</em></li>\n<li>c</li>\n</ul>',
    ),
    "a list that goes on": ("3. a\n\n4. b", '<ol start="3">\n<li>\n<p>a</p>\n</li>\n<li>\n<p>b</p>\n</li>\n</ol>'),
    "table": (
        "| a | b |\n|:--|--:|\n| `x|y` | **2** |",
        '<table>\n<thead>\n<tr>\n<th class="left">a</th>\n<th class="right">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n'
        '<td class="left">`x</td>\n<td class="right">y`</td>\n</tr>\n</tbody>\n</table>',
    ),
    "a line break in a cell": (
        "| a | b |\n|---|---|\n| 1<br>2 **x**<BR/>y | `<br>` <b> |\n\n1<br>2",
        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n"
        "<td>1<br>\n2 <strong>x</strong><br>\ny</td>\n<td><code>&lt;br&gt;</code> &lt;b&gt;</td>\n</tr>\n</tbody>\n"
        "</table>\n<p>1&lt;br&gt;2</p>",
    ),
    "table while it is written": (
        "| a | b |\n|---|---|\n| 1",
        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td></td>\n</tr>\n"
        "</tbody>\n</table>",
    ),
    "code": (
        '```python\ndef f(x):  # <b>\n    return """\n\'a\' """ + "x" * 10\n```',
        '<pre><code class="language-python"><span class="k">def</span> <span class="f">f</span>(x):  '
        '<span class="c"># &lt;b&gt;</span>\n    <span class="k">return</span> <span class="s">"""\n\'a\' """</span> + '
        '<span class="s">"x"</span> * <span class="m">10</span>\n</code></pre>',
    ),
    "code of another family": (
        "```rust\nfn f<'a>(x: &'a str) { /* for */ } // if\n```",
        '<pre><code class="language-rust"><span class="k">fn</span> f&lt;\'a&gt;(x: &amp;\'a str) { '
        '<span class="c">/* for */</span> } <span class="c">// if</span>\n</code></pre>',
    ),
    "code in an unknown language": (
        '```brain\nfor "a" # b\n```',
        '<pre><code class="language-brain">for "a" # b\n</code></pre>',
    ),
    "comment while it is written": (
        "```js\nf(/* a 'b'\n// 1",
        '<pre><code class="language-js"><span class="f">f</span>(<span class="c">/* a \'b\'\n// 1</span></code></pre>',
    ),
    "code while it is written": ("```\na\n\n  b", "<pre><code>a\n\n  b</code></pre>"),
    "link": (
        '[a](https://b.example/c_(d) "e")',
        '<p><a href="https://b.example/c_(d)" title="e" rel="noopener nofollow">a</a></p>',
    ),
    "image": (
        "![a *b*](http://c.example:80/d.png)",
        '<p><a href="http://c.example:80/d.png" rel="noopener nofollow">a b (c.example:80)</a></p>',
    ),
    "image in a link": (
        "[![a](http://i.example/x) b](http://c.example) ![](https://j.example)",
        '<p><a href="http://c.example" rel="noopener nofollow">a (i.example) b</a> '
        '<a href="https://j.example" rel="noopener nofollow">image (j.example)</a></p>',
    ),
    "headings": (
        "# 第一章 Über *x*\n\n## A: b/c\n\n## A b!c\n\n## A bc\n\n[to it](#a-bc)",
        '<h1 id="text-第一章-über-x">第一章 Über <em>x</em></h1>\n<h2 id="text-a-bc">A: b/c</h2>\n'
        '<h2 id="text-a-bc.2">A b!c</h2>\n<h2 id="text-a-bc.3">A bc</h2>\n'
        '<p><a href="#text-a-bc" rel="noopener nofollow">to it</a></p>',
    ),
}

# A text with a bare address, and what of it is a link.
ADDRESSES = {
    "see https://a.example/b?c=d&e=f#g.": "https://a.example/b?c=d&e=f#g",
    "http://localhost:8080/x": "http://localhost:8080/x",
    "www.a.example, or": "www.a.example",
    "(https://a.example/b_(c))": "https://a.example/b_(c)",
    "(see https://a.example)": "https://a.example",
    "https://a.example/a_b_c!": "https://a.example/a_b_c",
    "**https://a.example**": "https://a.example",
    "见https://a.example/b。后面": "https://a.example/b",
    "（https://a.example/b），后面": "https://a.example/b",
    "https://a.example后面": "https://a.example",
    "《https://a.example/b》": "https://a.example/b",
    "https://a.example/b；": "https://a.example/b",
    "https://a.example/b、https": "https://a.example/b",
    "“https://a.example/b”": "https://a.example/b",
    "https://a.example/b：": "https://a.example/b",
    "https://zh.example/潮汐！": "https://zh.example/潮汐",
    "| a |\n|---|\n| https://a.example/b |": "https://a.example/b",
    "- https://a.example/b\n": "https://a.example/b",
    "mail to a.b+c@d.example.": "a.b+c@d.example",
    "HTTPS://A.EXAMPLE/b": "HTTPS://A.EXAMPLE/b",
}
NO_ADDRESSES = [
    "`https://a.example`",
    "    https://a.example",
    "xhttps://a.example",
    "https://",
    "www.",
    "a@b",
    "ftp://a.example",
]

FORMULAS = {
    r"$a<b$": ("<p>", '<math display="inline"><mrow><mi>a</mi><mo>&lt;</mo><mi>b</mi></mrow></math>'),
    r"\(a\)": ("<p>", '<math display="inline"><mrow><mi>a</mi></mrow></math>'),
    r"$$a$$": ("<div", '<math display="block"><mrow><mi>a</mi></mrow></math>'),
    r"in $$a$$ text": ("<p>in", '<math display="block"><mrow><mi>a</mi></mrow></math>'),
    "so\n\\[\na\n+ b\n\\].\n": ("<p>so", "<mi>a</mi><mo>+</mo><mi>b</mi><mo>.</mo>"),
    "> $$\n> a\n> $$": ("<blockquote>", '<div class="formula"><math display="block">'),
    "- $$\n  a\nb": ("<ul>", "</ul>\n<p>b</p>"),
    "- x:\n  $$\n  a\n  $$": ("<ul>", '<div class="formula"><math display="block">'),
    "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}": ("<div", '<mtd columnalign="right"><mi>c</mi></mtd>'),
    "$$\\begin{aligned}a&=b\\end{aligned}$$": ("<div", '<mtd columnalign="right"><mi>a</mi></mtd>'),
    r"$\text{若 }x$": ("<p>", "<mtext>若&nbsp;</mtext>"),
    r"$x^$": ("<p>", "<code>x^</code>"),
    r"$\def\a{1}\a$": ("<p>", r"<code>\def\a{1}\a</code>"),
    "$$\n\\frac{1}{x^": ("<div", r"<code>" "\n" r"\frac{1}{x^</code>"),
}
NO_FORMULAS = [
    "$5 and $6",
    "5$ or 6$",
    "从$100到$200之间",
    "\\$a\\$",
    "$$ a lot",
    "$$ a\n\nb $$",
    "`$a$`",
    "a $ b $ c",
    "$$",
    "\\begin{itemize}",
]

BOLD = {
    "**“重点”**很": "<strong>“重点”</strong>很",
    "说**“重点”**很": "说<strong>“重点”</strong>很",
    "**重点：**下文": "<strong>重点：</strong>下文",
    "这是**重点。**下文": "这是<strong>重点。</strong>下文",
    "**(x)**的": "<strong>(x)</strong>的",
    "约**100%**的": "约<strong>100%</strong>的",
    "**注意：*不要*这样。**然后": "<strong>注意：<em>不要</em>这样。</strong>然后",
    "~~旧：~~新": "<s>旧：</s>新",
    "**「重点」**です": "<strong>「重点」</strong>です",
    '**"단어"**는': '<strong>"단어"</strong>는',
    "** 号": "** 号",
    "甲** 乙**丙": "甲** 乙**丙",
    "2*3*4": "2<em>3</em>4",
    'a**"b"**c': 'a**"b"**c',
}
