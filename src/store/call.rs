//! A command or script that can be sent to a server, and again if the server has not executed it.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, ToRedisArgs, Value};

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
    pub(super) fn call(&'static self, shard: u8, keys: Vec<String>, arguments: impl ToRedisArgs) -> Call {
        let what = What::Script { script: self, keys, arguments: arguments.to_redis_args() };
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
    /// A command that must not be executed twice, on a key of this shard.
    pub(super) fn once(shard: u8, command: Cmd) -> Call {
        Call { shard: Some(shard), may_be_repeated: false, what: What::Plain(command) }
    }

    /// A command that may be executed twice, on a key of this shard.
    pub(super) fn repeatable(shard: u8, command: Cmd) -> Call {
        Call { shard: Some(shard), may_be_repeated: true, what: What::Plain(command) }
    }

    /// A command without keys, which may be executed twice.
    pub(super) fn anywhere(words: &[&str]) -> Call {
        let mut command = Cmd::new();
        command.arg(words);
        Call { shard: None, may_be_repeated: true, what: What::Plain(command) }
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
            response => response,
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
    let responses = connection.send_packed_commands(&both, 1, 1).await?;
    responses.into_iter().next().unwrap_or_default().extract_error()
}
