//! The `pintle` program: flags, start order and the adapters between the crates. It is the only place where they
//! meet, and the only one that reads flags, the environment and signals; Kubernetes itself is none of its business.

mod address;
mod administration;
mod audit_log;
mod authentication;
mod certificates;
mod cli;
mod client;
mod clock;
mod commands;
mod controllers;
mod directory;
mod duration;
mod error;
mod ha_config;
mod health_port;
mod joining;
mod kubeconfig;
mod kubeconfig_file;
mod layout;
mod limits;
mod listener;
mod logging;
mod moving;
mod node_id;
mod own_request;
mod peer_port;
mod predecessor;
mod print;
mod promotion;
mod removal;
mod server;
mod service_account;
mod service_manager;
mod service_networks;
mod shutdown;
mod size;
mod table;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Command},
    error::Error,
};

/// The system's allocator keeps freed memory in one arena per thread; this one gives it back and is faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Server(args) => server::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Status(args) => commands::status::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Members(args) => commands::members::list(&args).map(|()| ExitCode::SUCCESS),
        Command::Member(args) => commands::members::change(&args).map(|()| ExitCode::SUCCESS),
        Command::Leader(args) => commands::leader::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Token(args) => commands::token::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Snapshot(args) => commands::snapshot::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Controllers(args) => controllers::command::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Kubeconfig(args) => kubeconfig::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Certs(args) => certificates::run(&args),
        Command::HaConfig(args) => ha_config::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Version => {
            println!("{}", version());
            Ok(ExitCode::SUCCESS)
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// This program's version and that of the Kubernetes API it serves.
fn version() -> String {
    format!("pintle {} (Kubernetes API {})", env!("CARGO_PKG_VERSION"), server::API_VERSION)
}

fn report(error: &Error) {
    eprintln!("pintle: {error}");
}
