//! A command or script that can be sent to a server, and again if the server has not executed it.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

/// A script, with its hash in Redis.
pub(super) struct Script {
    text: &'static str,
    hash: String,
    only_reads: bool,
}

pub(super) static SWAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("swap.lua"), false));
pub(super) static UNDO: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("undo.lua"), false));
pub(super) static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua"), true));
pub(super) static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("count.lua"), false));
pub(super) static LEAD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lead.lua"), false));
pub(super) static QUEUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("queue.lua"), true));

impl Script {
    fn new(text: &'static str, only_reads: bool) -> Script {
        Script { text, hash: redis::Script::new(text).get_hash().to_owned(), only_reads }
    }

    /// A call with these keys, all of one shard.
    pub(super) fn call(&'static self, shard: u8, keys: Vec<String>, arguments: Vec<Vec<u8>>) -> Call {
        let what = What::Script { script: self, keys, arguments };
        Call { shard: Some(shard), may_be_repeated: self.only_reads, what }
    }
}

pub(super) struct Call {
    /// The shard of its keys. `None` if it has no keys and any server will do.
    pub(super) shard: Option<u8>,
    /// Whether the server may execute it twice: it only reads, or repeats a message.
    pub(super) may_be_repeated: bool,
    what: What,
}

enum What {
    Plain(Cmd),
    Script { script: &'static Script, keys: Vec<String>, arguments: Vec<Vec<u8>> },
}

impl Call {
    pub(super) fn get(shard: u8, key: &str) -> Call {
        Call::plain(Some(shard), &["GET", key])
    }

    /// Writes a value that expires after that many milliseconds, unless the key exists. Returns `OK` or nil.
    pub(super) fn set_new(shard: u8, key: &str, value: &[u8], millis: u64) -> Call {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("NX").arg("PX").arg(millis);
        Call { shard: Some(shard), may_be_repeated: false, what: What::Plain(command) }
    }

    /// Writes a value that expires at that time, in milliseconds since the epoch.
    pub(super) fn set_until(shard: u8, key: &str, value: &[u8], until: u64) -> Call {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("PXAT").arg(until);
        Call { shard: Some(shard), may_be_repeated: true, what: What::Plain(command) }
    }

    /// Removes a value from a list. May be repeated, because no value is in a list twice.
    pub(super) fn remove(shard: u8, key: &str, value: &[u8]) -> Call {
        let mut command = redis::cmd("LREM");
        command.arg(key).arg(1).arg(value);
        Call { shard: Some(shard), may_be_repeated: true, what: What::Plain(command) }
    }

    /// Publishes a number on a channel, through the owner of a shard.
    pub(super) fn publish(shard: u8, channel: &str, number: u64) -> Call {
        Call::plain(Some(shard), &["PUBLISH", channel, &number.to_string()])
    }

    pub(super) fn ping() -> Call {
        Call::anywhere(&["PING"])
    }

    pub(super) fn info() -> Call {
        Call::anywhere(&["INFO"])
    }

    pub(super) fn role() -> Call {
        Call::anywhere(&["ROLE"])
    }

    pub(super) fn master_of(service: &str) -> Call {
        Call::anywhere(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service])
    }

    pub(super) fn cluster_slots() -> Call {
        Call::anywhere(&["CLUSTER", "SLOTS"])
    }

    pub(super) fn cluster_info() -> Call {
        Call::anywhere(&["CLUSTER", "INFO"])
    }

    fn anywhere(words: &[&str]) -> Call {
        Call::plain(None, words)
    }

    fn plain(shard: Option<u8>, words: &[&str]) -> Call {
        Call { shard, may_be_repeated: true, what: What::Plain(command(words)) }
    }

    /// Runs it. A script is sent by its hash, and in full if the server does not know it. With `asking`, an ASKING
    /// command precedes it: the server is importing the slot.
    pub(super) async fn run(&self, connection: &mut MultiplexedConnection, asking: bool) -> RedisResult<Value> {
        let (script, keys, arguments) = match &self.what {
            What::Plain(command) => return send(command, connection, asking).await,
            What::Script { script, keys, arguments } => (script, keys, arguments),
        };
        let invocation = |name, body: &str| {
            let mut command = redis::cmd(name);
            command.arg(body).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        match send(&invocation("EVALSHA", &script.hash), connection, asking).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                send(&invocation("EVAL", script.text), connection, asking).await
            }
            answer => answer,
        }
    }
}

async fn send(command: &Cmd, connection: &mut MultiplexedConnection, asking: bool) -> RedisResult<Value> {
    if !asking {
        return command.query_async(connection).await;
    }
    // Both in one write, so that no other command comes between them.
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let answers = connection.send_packed_commands(&both, 1, 1).await?;
    answers.into_iter().next().unwrap_or_default().extract_error()
}

fn command(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words.first().copied().unwrap_or_default());
    command.arg(words.get(1..).unwrap_or_default());
    command
}
