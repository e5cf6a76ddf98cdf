//! The bare programs to compare with: what every server must do, and nothing else.

mod connection;
pub(crate) mod program;

use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::{Context, Error};

/// Asks the bare program for something.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BaselineRequest {
    /// Write one record with so many bytes of plaintext to each connection.
    Write(usize),
    /// How many records have been read.
    Count,
}

/// What it answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct BaselineAnswer {
    /// Connections.
    pub open: usize,
    /// Records written by this request.
    pub written: usize,
    /// Records read since the start.
    pub read: u64,
}

/// Where the bare program listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// TLS.
    pub tls: std::net::SocketAddr,
    /// Sends back what it gets.
    pub echo: std::net::SocketAddr,
}

/// The running bare program.
#[derive(Debug)]
pub(crate) struct BareProgram {
    pub(crate) ready: Ready,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl BareProgram {
    pub(crate) async fn start() -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("baseline-child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the bare program")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::new("the bare program has no pipes"));
        };
        let mut output = BufReader::new(output).lines();
        let line = output.next_line().await?.ok_or_else(|| Error::new("the bare program ended"))?;
        Ok(Self { ready: serde_json::from_str(&line)?, child, input, output })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    pub(crate) async fn ask(&mut self, request: &BaselineRequest) -> Result<BaselineAnswer, Error> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        let line = self.output.next_line().await?.ok_or_else(|| Error::new("the bare program ended"))?;
        Ok(serde_json::from_str(&line)?)
    }
}
