//! Faults as they are done: signals to processes that a file names, and shell commands.
//!
//! Keeps true: no process gets a signal that the file of `conclave up --pids-file` does not name at that moment.

use crate::client::Clock;
use crate::fault::{Action, Blow, Event, Fault, Target};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;

/// The process that `target` means now.
fn pid(target: &Target, file: &Path) -> Result<i32, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let named: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let pid_of =
        |entry: &Value| entry["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
    let all = || named.as_object().into_iter().flatten();
    let found = match target {
        Target::Name(name) => pid_of(&named[name]),
        Target::Pid(pid) => all().filter_map(|(_, entry)| pid_of(entry)).find(|named| named == pid),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = all().map(|(name, _)| name.as_str()).collect();
        format!("{} names no such running process; it names {}", file.display(), names.join(", "))
    })
}

fn signal(blow: Blow, target: &Target, file: Option<&Path>) -> Result<(), String> {
    let file = file.ok_or("without --up-pids no process gets a signal")?;
    let pid = pid(target, file)?;
    let signal = match blow {
        Blow::Kill => Signal::KILL,
        Blow::Pause => Signal::STOP,
        Blow::Resume => Signal::CONT,
    };
    let pid = Pid::from_raw(pid).ok_or("pid 0")?;
    kill_process(pid, signal).map_err(|error| format!("pid {}: {error}", pid.as_raw_nonzero()))
}

async fn run(command: &str) -> Result<(), String> {
    let mut shell = tokio::process::Command::new("sh");
    // Its output would be drawn over by the live lines.
    let child = shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = child.output().await.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Does what is to be done, at its time; ends after the last. Commands run beside what follows them.
pub(crate) async fn carry_out(mut faults: Vec<Fault>, up_pids: Option<&Path>, clock: Clock) -> Vec<Event> {
    faults.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let mut events = Vec::new();
    for fault in faults {
        tokio::time::sleep_until(clock.instant(fault.at_s).into()).await;
        let at_s = clock.now_s();
        let running = match fault.action {
            Action::Signal(blow, target) => {
                let done = signal(blow, &target, up_pids);
                tokio::spawn(async move { done })
            }
            Action::Run(command) => tokio::spawn(async move { run(&command).await }),
        };
        events.push((at_s, fault.label, running));
    }
    let mut done = Vec::new();
    for (at_s, label, running) in events {
        let problem = running.await.unwrap_or_else(|error| Err(error.to_string())).err();
        done.push(Event { at_s, label, problem });
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_named_processes_get_a_signal() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids.json");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        std::fs::write(&file, format!(r#"{{"node-1": {{"pid": {}, "role": "expert-node"}}}}"#, child.id()))
            .unwrap();
        let strange = format!("0s kill pid:{}", std::process::id());
        let faults =
            [strange.as_str(), "0s kill node-2", "10ms kill node-1", "20ms run \"exit 3\"", "30ms run true"];
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let events = carry_out(faults, Some(&file), Clock::start()).await;
        let problems: Vec<bool> = events.iter().map(|event| event.problem.is_some()).collect();
        assert_eq!(problems, [true, true, false, true, false], "{events:?}");
        assert!(events[0].problem.as_ref().unwrap().contains("it names node-1"));
        assert!(!child.wait().unwrap().success(), "it was killed");
    }
}
