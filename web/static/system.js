// Keeps the page about the system up to date.

import { every, now, renew } from "./page.js";

every(5000, async () => {
  const page = await now();
  if (page) renew(page, document.querySelectorAll(".live"));
});
