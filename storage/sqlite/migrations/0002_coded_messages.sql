-- The message beside each English text (for changes of kind 4 beside the line in `content`), as the JSON of base/message_json.h; empty where there is none.

ALTER TABLE runs ADD COLUMN coded_message TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN coded_message TEXT NOT NULL DEFAULT '';
ALTER TABLE changes ADD COLUMN coded_message TEXT NOT NULL DEFAULT '';
