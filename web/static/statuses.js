// The words for each status.

import { _ } from "./page.js";

export const STATUS = {
  queued: _("queued"),
  in_progress: _("in progress"),
  completed: _("completed"),
  failed: _("failed"),
  cancelled: _("cancelled"),
  incomplete: _("incomplete"),
};

export const isEnd = (status) => status !== "queued" && status !== "in_progress";
