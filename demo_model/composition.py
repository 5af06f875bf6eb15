"""Text that looks like a thoughtful answer: the same for the same brief and seed, about as long as asked."""

from __future__ import annotations

from demo_model.brief import Brief
from demo_model.phrasebook import Phrasebook, measure

# The pools that a text of a kind is drawn from, in order; those with a star share the length that is left.
FORMS = {
    "story": "title, opening, meeting, middle*, story list, turn, ending",
    "explainer": "core heading, lead, core*, list, example heading, example*, summary heading, summary",
    "essay": "introduction, subject*, list, closing",
    "section": "subject*, list",
}
# In words and in Chinese characters. A short text does without the trimmings.
TRIMMINGS = {"title", "meeting", "story list", "turn", "list"}
SHORT = {"en": 160, "zh": 250}
CHAPTER = {"en": 450, "zh": 900}
PART = {"en": 100, "zh": 180}


def compose(brief: Brief, seed: str, tokens: int | None = None) -> str:
    """The Markdown for a brief, or enough of it for so many tokens; it begins by saying what wrote it."""
    book = Phrasebook(brief.language, brief.topic, seed)
    # A token is at most two of what `measure` counts; the third is a reserve.
    size = brief.size if tokens is None else 3 * tokens + 200
    form = _form(book, brief, size)
    blocks = [[] if pool.endswith("*") else [_block(book, pool)] for pool in form]
    left = size - sum(measure(block[0]) for block in blocks if block)
    shares = [at for at, block in enumerate(blocks) if not block]
    for done, at in enumerate(shares):
        blocks[at] = book.passages(form[at][:-1], left // (len(shares) - done))
        left -= sum(map(measure, blocks[at]))
    return "\n\n".join(text for block in blocks for text in block)


def reason(brief: Brief, seed: str, tokens: int) -> str:
    """Thinking about the brief, long enough for so many tokens."""
    book = Phrasebook(brief.language, brief.topic, seed)
    thoughts = ("" if brief.language == "zh" else " ").join(
        book.fill_in(thought) for thought in book.pools["thought"]
    ) + "\n\n"
    return thoughts * (1 + 2 * tokens // measure(thoughts))


def _form(book: Phrasebook, brief: Brief, size: int) -> list[str]:
    """The pools and headings of a text, in order."""
    form = ["note"]
    for pool in FORMS[brief.kind].split(", "):
        chapters = size // CHAPTER[brief.language]
        if pool == "subject*":
            form += _subjects(book, brief, size)
        elif pool == "middle*" and chapters > 1:
            for number in range(1, chapters + 1):
                form += [f"### {number}. {book.draw('chapter')}", pool]
        elif size >= SHORT[brief.language] or pool not in TRIMMINGS:
            form.append(pool)
    return form


def _subjects(book: Phrasebook, brief: Brief, size: int) -> list[str]:
    subjects = [pool for pool in book.pools if pool.startswith("subject: ")]
    headed = brief.kind == "essay" and size >= SHORT[brief.language]
    part = PART[brief.language]
    count = max(1, min(size // part, len(subjects)), size // (2 * part))
    form = []
    for number, subject in enumerate(book.choose(subjects, count), 1):
        mark = f"{number}. " if count > len(subjects) else ""
        heading = [f"## {mark}{subject.removeprefix('subject: ')}"] if headed else []
        form += [*heading, f"{subject}*"]
    return form


def _block(book: Phrasebook, pool: str) -> str:
    """A heading as it is, a passage from a pool, or a list from a pool of introductions and one of items."""
    if pool.startswith("#"):
        return pool
    block = book.draw(pool)
    if pool.endswith("list"):
        items = pool.removesuffix("list") + "item"
        block += "\n\n" + "\n".join(f"- {book.draw(items)}" for _ in range(3))
    return block
