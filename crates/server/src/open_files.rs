//! How many files this process may have open; every connection is one.

/// What a server wants: its connections at most, and as many again for whatever else is open
/// while they come and go.
const WANTED: u64 = 2 * crate::listener::CONNECTIONS_MAX as u64;

/// Lets this process have as many open files as a full server needs, or as the system allows.
/// Many systems start a program with 1024, which a few hundred guests use up. It concerns the
/// whole process, so a program does it for itself; nothing happens where there is no such limit.
pub fn raise_open_files_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let reachable = limit.maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
        if limit.current.is_none_or(|current| current >= reachable) {
            return;
        }
        limit.current = Some(reachable);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, getrlimit, setrlimit};

    use super::*;

    #[test]
    fn a_low_limit_is_raised_and_a_high_one_is_left_alone() {
        let before = getrlimit(Resource::Nofile);
        let mut low = before;
        low.current = Some(512);
        setrlimit(Resource::Nofile, low).unwrap();
        raise_open_files_limit();
        let raised = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, before).unwrap();
        let expected = before.maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
        assert_eq!(raised.current, Some(expected));
        assert_eq!(raised.maximum, before.maximum);
        if before.current.is_none_or(|current| current >= WANTED) {
            raise_open_files_limit();
            assert_eq!(getrlimit(Resource::Nofile).current, before.current);
        }
    }
}
