//! The capacity of the in-memory store: a fixed maximum, or what fits into the memory that the process may use. Out of
//! memory, the process would be killed and all codes lost; a full store only refuses new ones.

use std::path::Path;

/// Tickets that the in-memory store holds at most, tombstones included.
const MAX_TICKETS: u64 = 1_000_000;
/// Bytes of one ticket, with its indexes and the allocator's overhead. About twice what was measured.
const BYTES_EACH: u64 = 4096;

/// The capacity of the in-memory store of this process: tickets take half of its memory at most.
pub fn for_tickets() -> usize {
    let limit = [address_space(), control_group()].into_iter().flatten().min();
    let fit = limit.map_or(MAX_TICKETS, |bytes| bytes / 2 / BYTES_EACH);
    usize::try_from(fit.clamp(1000, MAX_TICKETS)).unwrap_or(usize::MAX)
}

/// `ulimit -v`.
fn address_space() -> Option<u64> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The memory limit of a container or a unit (`MemoryMax=`): the lowest limit of the control groups of this process.
fn control_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let read = |file: &Path| std::fs::read_to_string(file).ok()?.trim().parse().ok();
    limit_files(&groups).iter().filter_map(|file| read(Path::new(file))).min()
}

/// The files with the limits of these groups and of their parents. Within a container the process's own group may be
/// the root of the visible hierarchy.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let above = Path::new(group).ancestors().map(|group| group.to_string_lossy().trim_end_matches('/').to_owned());
        files.extend(above.map(|group| format!("{root}{group}/{name}")));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_found_as_the_system_writes_them() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max cpu time              unlimited            unlimited            seconds   \n\
                      Max address space         300000000            unlimited            bytes     \n";
        assert_eq!(soft_limit(limits), Some(300_000_000));
        assert_eq!(soft_limit(&limits.replace("300000000", "unlimited")), None);
        let unit = "0::/system.slice/qrgate.service\n";
        assert_eq!(
            limit_files(unit),
            [
                "/sys/fs/cgroup/system.slice/qrgate.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        let older = "7:blkio:/a\n4:memory:/a\n0::/\n";
        let files = limit_files(older);
        assert_eq!(
            files,
            [
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max"
            ]
        );
    }

    #[test]
    fn there_is_room_for_some_tickets_whatever_the_limits() {
        assert!((1000..=1_000_000).contains(&for_tickets()));
    }
}
