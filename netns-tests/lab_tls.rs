//! TLS of the services: which versions they speak.

use anyhow::{Result, ensure};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 1] = [("tls::versions_1_2_and_1_3_and_none_older", versions_1_2_and_1_3_and_none_older)];

const HOST: &str = "first-123456789012.s3.us-east-1.amazonaws.com";

/// TLS 1.0 and 1.1 are refused, as AWS's endpoints do (S3 User Guide, privatelink-interface-endpoints).
fn versions_1_2_and_1_3_and_none_older(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.example("files")?;
    let lab = stage.up("first", &["first.yaml", "--seed", "Bucket=files"])?;
    let url = format!("https://{HOST}/hello.txt");
    for (arguments, version) in [(&["--tlsv1.2", "--tls-max", "1.2"][..], "TLSv1.2"), (&["--tlsv1.3"], "TLSv1.3")] {
        let curl = [&["curl", "-sSv", "--fail", "--max-time", "20", &url], arguments].concat();
        let done = lab.exec("app", &curl)?;
        let spoken =
            done.stderr.lines().find(|line| line.contains("SSL connection using")).unwrap_or_default().to_owned();
        ensure!(done.code() == 0 && spoken.contains(&format!(" {version} ")), "{version}: {done:?}");
    }
    // The same client and the same words; only the version differs. At level 0, OpenSSL itself would still speak the old ones.
    let connect = format!("{HOST}:443");
    let client = |version: &str| {
        let command = ["timeout", "20", "openssl", "s_client", "-connect", &connect, "-servername", HOST, version];
        lab.exec("app", &[&command[..], &["-cipher", "DEFAULT@SECLEVEL=0"]].concat())
    };
    let spoken = client("-tls1_2")?;
    ensure!(spoken.code() == 0 && spoken.stdout.contains("New, TLSv1.2, Cipher is ECDHE-"), "{spoken:?}");
    for version in ["-tls1_1", "-tls1"] {
        let refused = client(version)?;
        // An alert is the service's; which one depends on what else the hello leaves out.
        let by_alert = refused.stderr.contains("SSL alert number");
        ensure!(refused.code() == 1 && by_alert, "{version}: the service must refuse it: {refused:?}");
    }
    Ok(())
}
