// Goes on with the next jobs of a list when nobody wants to be asked about them.
document.querySelector("form[data-unasked]")?.requestSubmit();
