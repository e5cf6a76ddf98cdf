//! Arguments that several commands share.

use std::path::PathBuf;

use clap::Args;

use crate::config::Layers;

/// Where settings come from.
#[derive(Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// A TOML file with settings
    #[arg(long, value_name = "FILE", env = "TIDINGS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: ./tidings-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The served XMPP domain [default: localhost]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Set any key of the file (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl SettingsArgs {
    /// These flags and the environment.
    pub(crate) fn layers(&self) -> Layers {
        let mut flags = Vec::new();
        let mut odd_data_dir = None;
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                // A file that was read with the line's end in it makes such values.
                Ok(value) if name.starts_with("TIDINGS_") => {
                    environment.push((name, value.trim_end().to_owned()));
                }
                Err(value) if name == "TIDINGS_DATA_DIR" => odd_data_dir = Some(PathBuf::from(value)),
                _ => {}
            }
        }
        match self.data_dir.as_ref().map(|dir| dir.to_str().ok_or(dir)) {
            Some(Ok(dir)) => {
                flags.push(("data_dir", dir.to_owned()));
                odd_data_dir = None;
            }
            Some(Err(dir)) => odd_data_dir = Some(dir.clone()),
            None => {}
        }
        flags.extend(self.domain.clone().map(|domain| ("domain", domain)));
        let (file, set) = (self.config.clone(), self.set.clone());
        Layers { file, environment, set, flags, odd_data_dir, strict: false }
    }
}

/// A server to talk to over HTTP.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// A running server's HTTP address, such as http://127.0.0.1:7070 [env: TIDINGS_SERVER=]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// An API key for it
    #[arg(long, value_name = "KEY", env = "TIDINGS_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
}

/// A running server, or its data directory while none runs.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub settings: SettingsArgs,
}
