//! Laws that hold for any sequence of changes.
