//! Laws of the packet room.
