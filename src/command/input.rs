//! What a lab is made from: the arguments that `up`, `run` and `check` share.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::run::BadInput;
use crate::run::launch::Definition;

/// The template and what is passed to it.
#[derive(Clone, Debug, Args)]
pub struct Input {
    /// A CloudFormation template (YAML or JSON), a lab.yaml, a folder with one, or a cdk.out.
    #[arg(default_value = ".")]
    pub file: PathBuf,
    #[command(flatten)]
    pub options: Options,
}

/// What is passed to a template.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Account of a single template's stack.
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Region of a single template's stack.
    #[arg(long)]
    pub region: Option<String>,
    /// A template parameter's value; STACK. is needed where several stacks have the parameter.
    #[arg(long = "param", value_name = "[STACK.]KEY=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,
    /// Fills a bucket from a folder.
    #[arg(long = "seed", value_name = "BUCKET=FOLDER", value_parser = pair)]
    pub seeds: Vec<(String, String)>,
    /// Links without offload, on tun-tap: for kernels and sandboxes that refuse the vnet header.
    #[arg(long)]
    pub plain_links: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}

impl Input {
    /// The definition that the lab process is started with.
    pub fn definition(&self) -> Result<Definition> {
        if !self.file.exists() {
            return Err(BadInput(format!(
                "there is no file or folder `{}`: name a CloudFormation template, a lab.yaml or a cdk.out",
                self.file.display()
            ))
            .into());
        }
        let options = &self.options;
        for (bucket, folder) in &options.seeds {
            if !std::path::Path::new(folder).is_dir() {
                return Err(BadInput(format!("--seed {bucket}={folder}: `{folder}` is not a folder")).into());
            }
        }
        Ok(Definition {
            file: self.file.clone(),
            account: options.account.clone(),
            region: options.region.clone(),
            parameters: options.parameters.clone(),
            seeds: options.seeds.iter().map(|(bucket, folder)| (bucket.clone(), folder.into())).collect(),
            plain_links: options.plain_links,
            data: None,
        })
    }
}
