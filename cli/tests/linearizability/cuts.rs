//! Links between processes of this machine that can be cut: every process is reached through a relay, which knows by the
//! owner of a connection's other end who calls. A cut link carries nothing and closes nothing, like a network that drops
//! packets; what was sent arrives when it is mended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a cut link looks whether it is mended.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(crate) struct Cuts {
    /// The processes that can be cut off, by number.
    pids: Mutex<BTreeMap<usize, u32>>,
    /// From whom to whom nothing goes, either way.
    cut: Mutex<BTreeSet<(usize, usize)>>,
}

impl Cuts {
    pub(crate) fn runs(&self, id: usize, pid: u32) {
        self.pids.lock().unwrap().insert(id, pid);
    }

    /// Cuts `one` off from `others`.
    pub(crate) fn isolate(&self, one: usize, others: impl Iterator<Item = usize>) {
        let mut cut = self.cut.lock().unwrap();
        others.for_each(|other| cut.extend([(one, other), (other, one)]));
    }

    pub(crate) fn mend(&self) {
        self.cut.lock().unwrap().clear();
    }

    fn is_cut(&self, from: Option<usize>, to: usize) -> bool {
        from.is_some_and(|from| self.cut.lock().unwrap().contains(&(from, to)))
    }

    /// Which of the processes has the end at `port` of a connection to `relay`; `None`: none of them, so a client.
    fn caller(&self, port: u16, relay: u16) -> Option<usize> {
        let inode = inode(port, relay)?;
        let link = format!("socket:[{inode}]");
        let pids = self.pids.lock().unwrap().clone();
        pids.into_iter().find(|(_, pid)| holds(*pid, &link)).map(|(id, _)| id)
    }

    /// Relays what comes to `listener` to `target`, which is process `to`, for as long as this test runs.
    pub(crate) fn relay(self: &Arc<Self>, listener: TcpListener, to: usize, target: String) {
        let cuts = self.clone();
        std::thread::spawn(move || {
            let relay = listener.local_addr().unwrap().port();
            for client in listener.incoming().flatten() {
                let from = client.peer_addr().ok().and_then(|peer| cuts.caller(peer.port(), relay));
                let (cuts, target) = (cuts.clone(), target.clone());
                std::thread::spawn(move || {
                    while cuts.is_cut(from, to) {
                        std::thread::sleep(LOOK);
                    }
                    // Nobody listens: the client finds its connection closed.
                    let Ok(server) = TcpStream::connect(&target) else { return };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let (Ok(back_from), Ok(back_to)) = (server.try_clone(), client.try_clone()) else {
                        return;
                    };
                    let other = cuts.clone();
                    std::thread::spawn(move || carry(&other, (from, to), back_from, back_to));
                    carry(&cuts, (from, to), client, server);
                });
            }
        });
    }
}

fn carry(cuts: &Cuts, (from, to): (Option<usize>, usize), mut source: TcpStream, mut sink: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = source.read(&mut buffer) {
        while cuts.is_cut(from, to) {
            std::thread::sleep(LOOK);
        }
        if sink.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (source.shutdown(Shutdown::Both), sink.shutdown(Shutdown::Both));
}

/// The socket between `local` and `remote`, both ports of this machine.
fn inode(local: u16, remote: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = |at: usize| u16::from_str_radix(fields.get(at)?.split(':').nth(1)?, 16).ok();
        (port(1)? == local && port(2)? == remote).then(|| fields.get(9)?.parse().ok())?
    })
}

fn holds(pid: u32, link: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.to_str() == Some(link)))
}
