//! Bytes and their meaning: parse, rewrite (RFC 1624), build, offload header, text notation.
