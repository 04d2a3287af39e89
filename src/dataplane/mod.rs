//! What to do with a frame.
