//! The unmodified clients and the backend that stories use: installed once on a machine, by scripts/clients.sh.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use super::harness::*;

/// What scripts/clients.sh installed.
#[derive(Clone, Debug)]
pub struct Clients {
    folder: PathBuf,
}

impl Clients {
    /// Installs them if they are not there. `None` where that can't be done, which a developer without a network may
    /// skip and CI may not.
    pub fn get() -> Result<Option<Self>> {
        static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| install().map_err(|error| format!("{error:#}")));
        match installed {
            Ok(folder) => Ok(Some(Self { folder: folder.clone() })),
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!(
                    "skipped: scripts/clients.sh can't install the clients (python3-venv, npm and a network): {error}"
                );
                Ok(None)
            }
            Err(error) => Err(anyhow::anyhow!("{error}")),
        }
    }

    /// A Python that has boto3.
    pub fn python(&self) -> String {
        self.folder.join("boto3/bin/python").display().to_string()
    }

    /// Where Node finds `@aws-sdk`.
    pub fn node_modules(&self) -> PathBuf {
        self.folder.join("node/node_modules")
    }

    /// A moto that listens on a loopback port of this machine.
    pub fn moto(&self, stage: &Stage) -> Result<Moto> {
        Moto::start(&self.folder.join("moto/bin/moto_server"), stage.path(), free_port()?)
    }
}

fn install() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clients.sh");
    let output = Command::new("sh").arg(script).stdin(Stdio::null()).output().context("starting scripts/clients.sh")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A moto server; it ends with this value.
pub struct Moto {
    child: Child,
    pub port: u16,
}

impl Moto {
    fn start(program: &Path, folder: &Path, port: u16) -> Result<Self> {
        let log = std::fs::File::create(folder.join("moto.log"))?;
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let moto = Self { child, port };
        wait_for("moto to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(moto)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it, and waits until it has.
    pub fn end(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.end();
    }
}
