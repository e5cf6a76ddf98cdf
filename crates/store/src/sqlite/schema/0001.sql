-- Times are milliseconds since 1970 in UTC. Flags are 0 or 1.

-- One row: the numbers given out, and the totals since the beginning.
CREATE TABLE kept (
    only                 INTEGER PRIMARY KEY CHECK (only = 1),
    last                 INTEGER NOT NULL,
    last_account         INTEGER NOT NULL,
    accounts             INTEGER NOT NULL,
    notifications        INTEGER NOT NULL,
    scheduled            INTEGER NOT NULL,
    recipients           INTEGER NOT NULL,
    delivered            INTEGER NOT NULL,
    opened               INTEGER NOT NULL,
    expired              INTEGER NOT NULL,
    cancelled            INTEGER NOT NULL,
    -- What purged notifications had counted, so that the totals can be checked.
    forgotten_recipients INTEGER NOT NULL,
    forgotten_delivered  INTEGER NOT NULL,
    forgotten_opened     INTEGER NOT NULL,
    forgotten_expired    INTEGER NOT NULL,
    forgotten_cancelled  INTEGER NOT NULL
);
INSERT INTO kept VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY,
    username      TEXT NOT NULL,
    alias         TEXT,
    name          TEXT,
    email         TEXT,
    disabled      INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seen     INTEGER,
    registered_at INTEGER NOT NULL,
    -- What a search looks at, in lower case.
    search        TEXT NOT NULL
);
-- The writer keeps usernames and aliases unique together; this index answers
-- look-ups, pages and searches without touching the table.
CREATE INDEX accounts_by_username ON accounts (username, search);
CREATE UNIQUE INDEX accounts_by_alias ON accounts (alias) WHERE alias IS NOT NULL;

-- SCRAM keys (RFC 5802): no password can be read from them.
CREATE TABLE credentials (
    account           INTEGER PRIMARY KEY,
    sha1_salt         BLOB NOT NULL,
    sha1_iterations   INTEGER NOT NULL,
    sha1_stored       BLOB NOT NULL,
    sha1_server       BLOB NOT NULL,
    sha256_salt       BLOB NOT NULL,
    sha256_iterations INTEGER NOT NULL,
    sha256_stored     BLOB NOT NULL,
    sha256_server     BLOB NOT NULL
);

-- How far an account has settled shared notifications, by priority, and which
-- it settled beyond that. No row: accounts.registered_at for all three.
CREATE TABLE cursors (
    account INTEGER PRIMARY KEY,
    low     INTEGER NOT NULL,
    normal  INTEGER NOT NULL,
    high    INTEGER NOT NULL,
    ahead   BLOB
);

CREATE TABLE subscriptions (
    account INTEGER NOT NULL,
    topic   TEXT NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (account, topic)
) WITHOUT ROWID;

-- Topics that have subscribers.
CREATE TABLE topics (
    name        TEXT PRIMARY KEY,
    subscribers INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE notifications (
    -- Place in the order of release; the position until then.
    seq          INTEGER PRIMARY KEY,
    -- Place in the listing.
    position     INTEGER NOT NULL UNIQUE,
    id           BLOB NOT NULL UNIQUE,
    -- A topic's name; empty for all accounts; null for named accounts.
    topic        TEXT,
    priority     INTEGER NOT NULL,
    -- 0 scheduled, 1 live, 2 expired, 3 cancelled, 4 cancelled before its release.
    state        INTEGER NOT NULL,
    -- Live, and pending for somebody.
    open         INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    send_at      INTEGER,
    sent_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    collapse_key TEXT,
    recipients   INTEGER NOT NULL,
    delivered    INTEGER NOT NULL DEFAULT 0,
    opened       INTEGER NOT NULL DEFAULT 0,
    expired      INTEGER NOT NULL DEFAULT 0,
    cancelled    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX open_by_expiry ON notifications (expires_at, seq) WHERE open = 1;
CREATE INDEX open_shared ON notifications (topic, priority, seq) WHERE open = 1 AND topic IS NOT NULL;
CREATE INDEX scheduled_by_time ON notifications (send_at, position) WHERE state = 0;
CREATE INDEX shared_by_key ON notifications (collapse_key, seq)
    WHERE collapse_key IS NOT NULL AND topic IS NOT NULL;

-- What never changes, apart from what is counted often.
CREATE TABLE contents (
    position INTEGER PRIMARY KEY,
    content  TEXT NOT NULL,
    -- Of named accounts: the first usernames (JSON), and all accounts (packed).
    users    TEXT,
    members  BLOB
);

-- Pending copies of notifications for named accounts.
CREATE TABLE queue (
    account  INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    -- A hash of the collapse key.
    collapse INTEGER,
    PRIMARY KEY (account, priority, seq)
) WITHOUT ROWID;
CREATE INDEX queue_by_key ON queue (account, collapse) WHERE collapse IS NOT NULL;

-- Copies that ended without delivery, where nothing else says so.
CREATE TABLE dropped (
    seq     INTEGER NOT NULL,
    account INTEGER NOT NULL,
    PRIMARY KEY (seq, account)
) WITHOUT ROWID;

CREATE TABLE openings (
    seq     INTEGER NOT NULL,
    account INTEGER NOT NULL,
    PRIMARY KEY (seq, account)
) WITHOUT ROWID;

CREATE TABLE idempotency (
    key         TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    id          BLOB NOT NULL,
    recipients  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used  INTEGER
) WITHOUT ROWID;

CREATE TABLE operators (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE web_sessions (
    hash       BLOB PRIMARY KEY,
    operator   TEXT NOT NULL,
    csrf       TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL
);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Written to find out whether writing works.
CREATE TABLE probe (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    count INTEGER NOT NULL
);
INSERT INTO probe VALUES (1, 0);
