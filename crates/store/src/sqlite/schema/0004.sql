-- Who is subscribed to a topic.
CREATE INDEX subscriptions_by_topic ON subscriptions (topic, account);

-- What lets one device register. Its account is made, subscribed and noted here in one write.
CREATE TABLE invitations (
    -- Place in the listing.
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    -- SHA-256 of the secret.
    hash       BLOB NOT NULL UNIQUE,
    -- The only username that it is good for; null for any.
    username   TEXT,
    -- What the account is subscribed to: a JSON array.
    topics     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- By which account, as it was called then; null for as long as it was not used.
    used_by    TEXT,
    used_at    INTEGER
);
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
