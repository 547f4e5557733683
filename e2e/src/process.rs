//! What the system knows about processes: processor time and memory, read from /proc.

use std::{fs, process::Command, time::Duration};

/// One or more processes that serve together (an API server and its store, say), measured as one.
#[derive(Clone, Debug)]
pub struct Processes {
    ids: Vec<u32>,
    tick: Duration,
}

/// Memory of processes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

impl Processes {
    /// The processes with these ids.
    pub fn new(ids: Vec<u32>) -> Processes {
        let answer = Command::new("getconf").arg("CLK_TCK").output();
        let ticks =
            answer.ok().and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok());
        Processes { ids, tick: Duration::from_secs(1) / ticks.unwrap_or(100).max(1) }
    }

    /// User and system time used so far, of all threads.
    pub fn processor_time(&self) -> Duration {
        self.ids.iter().map(|id| self.tick * ticks(*id).unwrap_or(0)).sum()
    }

    /// Resident memory, summed.
    pub fn memory(&self) -> Memory {
        let all = self.ids.iter().map(|id| memory(*id).unwrap_or_default());
        all.fold(Memory::default(), |sum, one| Memory {
            resident: sum.resident + one.resident,
            peak: sum.peak + one.peak,
        })
    }

    /// Lets the peak start again from what is resident now. Where that is not permitted the peak is of all time.
    pub fn reset_peak(&self) {
        for id in &self.ids {
            let _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
        }
    }
}

/// User and system time are the 14th and 15th field; the second one, the name, may hold spaces and brackets.
fn ticks(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
}

fn memory(id: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    Some(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_its_own_time_and_memory() {
        let own = Processes::new(vec![std::process::id()]);
        let before = own.processor_time();
        let mut sum = 0u64;
        while own.processor_time() < before + Duration::from_millis(30) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let memory = own.memory();
        assert!(memory.resident > 100_000 && memory.peak >= memory.resident / 2, "{memory:?}");
    }

    #[test]
    fn a_process_that_is_gone_counts_nothing() {
        let gone = Processes::new(vec![u32::MAX]);
        assert_eq!((gone.processor_time(), gone.memory()), (Duration::ZERO, Memory::default()));
    }
}
