//! `scomo schema`: what others write and read, for machines, without any server.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Failure, Output};
use crate::{
    contract::schema::{bus, event, manifest, request},
    server::{config, http::api::openapi},
};

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Of what
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// Requests, in JSON Schema 2020-12
    Request,
    /// What comes under the key `control` of the bus, in JSON Schema
    Control,
    /// Events, in JSON Schema
    Event,
    /// The API, in OpenAPI 3.1
    Api,
    /// The bus, in AsyncAPI 3
    Bus,
    /// manifest.toml, in JSON Schema
    Manifest,
    /// The settings file, in JSON Schema
    Config,
}

impl Schema {
    pub(super) fn run(&self, output: Output) -> Result<(), Failure> {
        let document: Value = match self.of {
            Of::Request => request::request(),
            Of::Control => request::control(),
            Of::Event => event::event(),
            Of::Api => openapi::document(),
            Of::Bus => bus::bus(),
            Of::Manifest => manifest::manifest(),
            Of::Config => config::schema().context("the compiled-in settings cannot be read")?,
        };
        if output.json() {
            return output.value(&document);
        }
        output.line(&serde_json::to_string_pretty(&document).context("the schema cannot be written")?)
    }
}
