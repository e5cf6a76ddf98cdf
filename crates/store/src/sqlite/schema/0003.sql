-- The words of today.
ALTER TABLE kept RENAME TO totals;
ALTER TABLE totals RENAME COLUMN forgotten_recipients TO purged_recipients;
ALTER TABLE totals RENAME COLUMN forgotten_delivered TO purged_delivered;
ALTER TABLE totals RENAME COLUMN forgotten_opened TO purged_opened;
ALTER TABLE totals RENAME COLUMN forgotten_expired TO purged_expired;
ALTER TABLE totals RENAME COLUMN forgotten_cancelled TO purged_cancelled;
ALTER TABLE missed RENAME TO skipped;
ALTER TABLE inbox RENAME TO recipient_index;
ALTER TABLE cursors RENAME COLUMN ahead TO acked_beyond;

-- Where a notification has a collapse key: its sender's identity. Null for what is older: that
-- collapses with any that has its key.
ALTER TABLE notifications ADD COLUMN collapse_sender TEXT;
-- The endpoint's id, where it is for one.
ALTER TABLE notifications ADD COLUMN endpoint BLOB;
-- Whether contents.bytes holds it, not contents.content.
ALTER TABLE notifications ADD COLUMN opaque INTEGER NOT NULL DEFAULT 0;
CREATE INDEX open_by_endpoint ON notifications (endpoint, seq) WHERE open = 1 AND endpoint IS NOT NULL;

ALTER TABLE contents ADD COLUMN bytes BLOB;
-- A JSON object for each door, in a JSON object.
ALTER TABLE contents ADD COLUMN ext TEXT;
-- 0 an API key, 1 an operator, 2 an account, 3 an endpoint; null where it was not noted.
ALTER TABLE contents ADD COLUMN sender_kind INTEGER;
-- A name, or the endpoint's id as text.
ALTER TABLE contents ADD COLUMN sender TEXT;
-- The API key's id.
ALTER TABLE contents ADD COLUMN sender_key TEXT;

-- Idempotency keys are scoped to a key's name, not to its id.
UPDATE OR REPLACE idempotency
    SET key = 'key:' || (SELECT k.name FROM api_keys k WHERE k.id = substr(key, 1, instr(key, ':') - 1))
        || char(10) || substr(key, instr(key, ':') + 1)
    WHERE substr(key, 1, instr(key, ':') - 1) IN (SELECT id FROM api_keys);
UPDATE OR REPLACE idempotency
    SET key = 'key:TIDINGS_API_KEY' || char(10) || substr(key, instr(key, ':') + 1)
    WHERE key LIKE 'process:%';

-- Whom a key may send to: JSON arrays of patterns; both null for everyone.
ALTER TABLE api_keys ADD COLUMN topics TEXT;
ALTER TABLE api_keys ADD COLUMN users TEXT;

-- The topics that an account may send to: a JSON array of patterns; null for none.
ALTER TABLE accounts ADD COLUMN publish TEXT;

-- open or granted; null where the operator has said nothing. A topic without subscribers has
-- a row for as long as it has a policy.
ALTER TABLE topics ADD COLUMN policy TEXT;

CREATE TABLE account_tokens (
    id         TEXT PRIMARY KEY,
    account    INTEGER NOT NULL,
    label      TEXT,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) WITHOUT ROWID;
CREATE INDEX account_tokens_by_account ON account_tokens (account, created_at, id);
CREATE INDEX account_tokens_by_expiry ON account_tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE endpoints (
    -- Place in the listing.
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    account     INTEGER NOT NULL,
    application TEXT NOT NULL,
    instance    TEXT NOT NULL,
    resource    TEXT NOT NULL,
    token_hash  BLOB NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL,
    last_used   INTEGER,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER
);
CREATE INDEX endpoints_by_account ON endpoints (account);
CREATE UNIQUE INDEX endpoints_by_registration ON endpoints (account, application, instance)
    WHERE revoked_at IS NULL;
-- When it ended, or ends.
CREATE INDEX endpoints_by_end ON endpoints (coalesce(revoked_at, expires_at));
