//! Stories on the whole pipeline: no kernel, time is a number, each step says its whole effect.

mod lab;

mod admission;
mod allocations;
mod balancing;
mod endpoints;
mod flow_logs;
mod health;
mod meters;
mod network_acls;
mod noise;
mod one_way;
mod outside;
mod proxy_protocol;
mod routing;
mod rules;
mod security_groups;
mod tls_listener;
