//! What goes wrong, and what operators do meanwhile; one at a time, by chance.

use crate::world::{Event, World};
use conclave_control::command::{Command, DrainNode, PinExpert, SetReplicas, UnpinExpert};

impl World {
    /// One fault or wish.
    pub(crate) fn strike(&mut self) {
        let at = self.rng.next() as usize % self.nodes.len();
        let name = self.nodes[at].name.clone();
        match self.rng.within(0, 99) {
            0..18 => {
                self.tell(|| format!("{name} crashes"));
                self.stop(at);
                // Shorter than the lease, longer than the wait for its return, or between.
                let most = *self.rng.pick(&[1_000, 8_000, 40_000]);
                let pause = self.rng.within(50, most);
                self.after(pause, Event::Start { at });
            }
            18..30 => {
                self.tell(|| format!("{name} is cut off"));
                self.nodes[at].cut = true;
                let most = *self.rng.pick(&[2_000, 10_000, 30_000]);
                let pause = self.rng.within(100, most);
                self.after(pause, Event::Join { at });
            }
            30..36 => {
                let slowness = *self.rng.pick(&[1, 1, 5, 20]);
                self.nodes[at].slowness = slowness;
            }
            36..56 => self.depose(),
            56..60 => {
                let pause = self.rng.within(100, 6_000);
                self.tell(|| format!("the leader stalls for {pause} ms"));
                self.stalled_until = self.now + pause;
            }
            60..64 => {
                // Not more than half of them, so that something is left to serve.
                let lost = self.nodes.iter().filter(|node| node.lost).count();
                if (lost + 1) * 2 <= self.nodes.len() && self.may_lose {
                    self.tell(|| format!("{name} is lost for good"));
                    self.nodes[at].lost = true;
                    self.stop(at);
                }
            }
            64..70 => self.loss = *self.rng.pick(&[0, 10, 100, 400]),
            70..74 => self.load_failures = *self.rng.pick(&[0, 100, 600]),
            wish => {
                let key = *self.rng.pick(&self.keys);
                let draining = self.rng.chance(500);
                let replicas = self.rng.within(1, 3) as u32;
                let command = match wish {
                    74..86 => Command::DrainNode(DrainNode { name, draining }),
                    86..91 => Command::PinExpert(PinExpert { key, node: name }),
                    91..93 => Command::UnpinExpert(UnpinExpert { key, node: None }),
                    _ => Command::SetReplicas(SetReplicas { replicas }),
                };
                if self.leader.is_some() {
                    self.apply(command, "operator");
                }
            }
        }
    }

    /// Everything that can heal does.
    pub(crate) fn calm(&mut self) {
        self.tell(|| "faults stop".to_owned());
        (self.loss, self.load_failures) = (0, 0);
        self.quiet_since = Some(self.now);
        for at in 0..self.nodes.len() {
            (self.nodes[at].cut, self.nodes[at].slowness) = (false, 1);
            self.start(at);
        }
    }
}
