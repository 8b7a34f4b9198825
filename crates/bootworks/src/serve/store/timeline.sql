-- The server's memory of its boxes. Entries are only ever added.
CREATE TABLE entry (
    sequence INTEGER PRIMARY KEY,       -- ascending over all boxes
    at       INTEGER NOT NULL,          -- milliseconds since 1970, UTC
    box      TEXT    NOT NULL,          -- MAC of the boot NIC
    event    TEXT    NOT NULL           -- timeline::Event as JSON
) STRICT;
CREATE INDEX entry_of_box ON entry (box, sequence);

-- How far each boot's reports are in: what comes twice is known by its number.
CREATE TABLE report (
    box  TEXT    NOT NULL,
    boot TEXT    NOT NULL,              -- the kernel's boot id
    next INTEGER NOT NULL,              -- number of the first event not seen yet
    at   INTEGER NOT NULL,
    PRIMARY KEY (box, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
    box     TEXT    PRIMARY KEY,
    address TEXT    NOT NULL UNIQUE,
    until   INTEGER NOT NULL,           -- milliseconds since 1970, UTC
    taken   INTEGER NOT NULL            -- 1 once the client took it, 0 while it is an offer
) STRICT, WITHOUT ROWID;

-- Answers given from outside the console; passwords as crypt(5) hashes only.
CREATE TABLE answer (
    box      TEXT NOT NULL,
    question TEXT NOT NULL,
    answer   TEXT NOT NULL,
    PRIMARY KEY (box, question)
) STRICT, WITHOUT ROWID;

-- Plans confirmed from outside the console, for one boot each.
CREATE TABLE confirmation (
    box  TEXT PRIMARY KEY,
    boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
    box    TEXT    PRIMARY KEY,
    at     INTEGER NOT NULL,
    record TEXT    NOT NULL             -- JSON, as the box sent it
) STRICT, WITHOUT ROWID;
