//! The living process: forward (the pump), control (the single writer), capture.
