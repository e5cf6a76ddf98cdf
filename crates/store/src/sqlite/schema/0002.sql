-- When a session of the account last ended; 0: never. Logins do not write it,
-- so that they pay nothing for its index.
ALTER TABLE accounts ADD COLUMN left_at INTEGER NOT NULL DEFAULT 0;
UPDATE accounts SET left_at = last_seen WHERE last_seen IS NOT NULL;
CREATE INDEX accounts_by_left ON accounts (left_at);

-- Shared notifications that ended while somebody still waited for them.
CREATE TABLE ended (
    seq      INTEGER PRIMARY KEY,
    priority INTEGER NOT NULL,
    topic    TEXT NOT NULL
);
INSERT INTO ended SELECT seq, priority, topic FROM notifications
    WHERE topic IS NOT NULL AND state IN (2, 3) AND recipients > delivered;

-- Which of those an account's cursor passed without having had them (packed).
CREATE TABLE missed (
    account INTEGER PRIMARY KEY,
    seqs    BLOB NOT NULL
);

-- Whom notifications named, by runs of 1024 positions (packed; see inbox.rs):
-- one row for many, because a row for each copy would cost every delivery.
CREATE TABLE inbox (
    run   INTEGER PRIMARY KEY,
    pairs BLOB NOT NULL
);

-- Whether the copy ended because its time was over.
ALTER TABLE dropped ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
UPDATE dropped SET expired = 1 WHERE seq IN (SELECT seq FROM notifications WHERE state = 2);
