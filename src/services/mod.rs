//! The emulated services and the resolver: ordinary sockets behind links.
