//! Linux: namespaces, TAPs, addresses by netlink.
