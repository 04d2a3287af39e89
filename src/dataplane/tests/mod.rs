//! Stories on the whole pipeline: no kernel, time is a number, each step says its whole effect.

mod lab;

mod admission;
mod balancing;
mod endpoints;
mod flow_logs;
mod noise;
mod routing;
