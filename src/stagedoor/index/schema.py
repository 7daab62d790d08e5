"""The tables of the index, as plain SQL.

`bodies` and `contents` hold what is wide and never searched, so that a scan passes few pages.

A row is seen from the state in which it was `born` up to the one in which it `died`. So the pages of one search agree
with each other although main moves on in between; rows that no kept state sees are deleted.
"""

from __future__ import annotations

from typing import Final

# "stgd", https://www.sqlite.org/pragma.html#pragma_application_id; a file with other numbers is thrown away
APPLICATION: Final = 0x73746764
VERSION: Final = 3

# what has not died yet
LIVE: Final = 1 << 62

TABLES: Final = f"""
CREATE TABLE states (
    seq INTEGER PRIMARY KEY,
    commit_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    moment INTEGER NOT NULL
);
CREATE TABLE files (
    path TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    blob TEXT NOT NULL,
    touched INTEGER NOT NULL,
    versions TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE models (
    row INTEGER PRIMARY KEY,
    born INTEGER NOT NULL,
    died INTEGER NOT NULL DEFAULT {LIVE},
    name TEXT NOT NULL,
    folded TEXT NOT NULL,
    title TEXT NOT NULL,
    path TEXT NOT NULL,
    blob TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    last_version INTEGER NOT NULL,
    latest INTEGER,
    version_count INTEGER NOT NULL,
    stages TEXT NOT NULL,
    is_prompt INTEGER NOT NULL,
    fault TEXT
);
CREATE TABLE bodies (
    model INTEGER PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE model_tags (
    model INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model, key)
) WITHOUT ROWID;
CREATE TABLE aliases (
    model INTEGER NOT NULL,
    version INTEGER NOT NULL,
    alias TEXT NOT NULL,
    PRIMARY KEY (model, version, alias)
) WITHOUT ROWID;
CREATE TABLE versions (
    row INTEGER PRIMARY KEY,
    born INTEGER NOT NULL,
    died INTEGER NOT NULL DEFAULT {LIVE},
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    stage TEXT NOT NULL,
    source TEXT NOT NULL,
    run_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    is_prompt INTEGER NOT NULL
);
CREATE TABLE contents (
    version INTEGER PRIMARY KEY,
    shown TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE version_tags (
    version INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (version, key)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE sources USING fts5 (source, content='versions', content_rowid='row', tokenize='trigram');
"""

# made when the rows are in, which is far cheaper than to keep them up to date row by row
INDEXES: Final = f"""
CREATE INDEX states_by_commit ON states (commit_id);
CREATE INDEX files_by_name ON files (name, path);
CREATE INDEX models_by_name ON models (name);
CREATE INDEX models_by_folded ON models (folded, name);
CREATE INDEX models_by_update ON models (updated_at DESC, name);
CREATE INDEX models_dead ON models (died) WHERE died < {LIVE};
CREATE INDEX model_tags_by_value ON model_tags (key, value, model);
CREATE INDEX versions_by_name ON versions (name, version);
CREATE INDEX versions_by_update ON versions (updated_at DESC, name, version DESC);
CREATE INDEX versions_by_source ON versions (source);
CREATE INDEX versions_by_run ON versions (run_id, name);
CREATE INDEX versions_dead ON versions (died) WHERE died < {LIVE};
CREATE INDEX version_tags_by_value ON version_tags (key, value, version);
INSERT INTO sources (sources) VALUES ('rebuild');
"""

ADD_FILE: Final = "INSERT OR REPLACE INTO files (path, name, blob, touched, versions) VALUES (?, ?, ?, ?, ?)"
ADD_MODEL: Final = """
INSERT INTO models (
    row, born, name, folded, title, path, blob, id, created_at, created_by, updated_at, last_version, latest,
    version_count, stages, is_prompt, fault
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_BODY: Final = "INSERT INTO bodies (model, body) VALUES (?, ?)"
ADD_MODEL_TAG: Final = "INSERT INTO model_tags (model, key, value) VALUES (?, ?, ?)"
ADD_ALIAS: Final = "INSERT INTO aliases (model, version, alias) VALUES (?, ?, ?)"
ADD_STATE: Final = "INSERT INTO states (seq, commit_id, at, moment) VALUES (?, ?, ?, ?)"
ADD_VERSION: Final = """
INSERT INTO versions (
    row, born, name, version, stage, source, run_id, created_at, created_by, updated_at, is_prompt
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_SOURCE: Final = "INSERT INTO sources (rowid, source) VALUES (?, ?)"
ADD_CONTENT: Final = "INSERT INTO contents (version, shown, content) VALUES (?, ?, ?)"
ADD_VERSION_TAG: Final = "INSERT INTO version_tags (version, key, value) VALUES (?, ?, ?)"

_DEAD_MODELS: Final = f"SELECT row FROM models WHERE died <= ?1 AND died < {LIVE}"
_DEAD_VERSIONS: Final = f"SELECT row FROM versions WHERE died <= ?1 AND died < {LIVE}"

# what no kept state sees; the literal bound lets SQLite use the partial indexes
PRUNE: Final = (
    f"DELETE FROM model_tags WHERE model IN ({_DEAD_MODELS})",
    f"DELETE FROM aliases WHERE model IN ({_DEAD_MODELS})",
    f"DELETE FROM bodies WHERE model IN ({_DEAD_MODELS})",
    f"DELETE FROM models WHERE row IN ({_DEAD_MODELS})",
    f"DELETE FROM version_tags WHERE version IN ({_DEAD_VERSIONS})",
    f"DELETE FROM contents WHERE version IN ({_DEAD_VERSIONS})",
    # https://www.sqlite.org/fts5.html#the_delete_command
    "INSERT INTO sources (sources, rowid, source)"
    f" SELECT 'delete', row, source FROM versions WHERE row IN ({_DEAD_VERSIONS})",
    f"DELETE FROM versions WHERE row IN ({_DEAD_VERSIONS})",
    "DELETE FROM states WHERE seq < ?1",
)
