//! Hosts made of namespaces on one machine, a network between them, the real programs in them, and the faults that
//! strike them. Keeps: nothing of a rig is visible outside its namespaces, and all of it ends with the program that made
//! it, also when that is killed.

pub mod checker;
pub mod cluster;
pub mod faults;
pub mod gaps;
pub mod history;
pub mod host;
pub mod kubectl;
pub mod namespace;
pub mod network;
pub mod power;
pub mod traffic;
