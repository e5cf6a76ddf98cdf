-- Whether a newer one with its collapse key ended copies of it.
ALTER TABLE notifications ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;
UPDATE notifications SET replaced = 1 WHERE cancelled > 0 AND collapse_key IS NOT NULL;

-- About how many bytes it takes in contents; kept of what waits, or is scheduled.
ALTER TABLE notifications ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
UPDATE notifications SET size = coalesce(
        (SELECT length(CAST(c.content AS BLOB)) + coalesce(length(c.bytes), 0)
            + coalesce(length(CAST(c.ext AS BLOB)), 0) + coalesce(length(c.members), 0)
         FROM contents c WHERE c.position = notifications.position), 0)
    WHERE open = 1 OR state = 0;

-- CRC-32 of what a row holds that never changes; null for what is older.
ALTER TABLE contents ADD COLUMN checksum INTEGER;

-- The sum of the sizes of what waits or is scheduled.
ALTER TABLE totals ADD COLUMN pending_bytes INTEGER NOT NULL DEFAULT 0;
-- The totals count from the acceptance on, as the documents do.
UPDATE totals SET
    pending_bytes = (SELECT coalesce(sum(size), 0) FROM notifications WHERE open = 1 OR state = 0),
    recipients = recipients + (SELECT coalesce(sum(recipients), 0) FROM notifications WHERE state IN (0, 4)),
    cancelled = cancelled + (SELECT coalesce(sum(cancelled), 0) FROM notifications WHERE state = 4);
