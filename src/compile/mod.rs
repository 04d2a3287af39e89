//! World to tables, zones and origins: the only room that sees both sides.
