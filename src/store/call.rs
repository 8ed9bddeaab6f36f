//! One command or script, ready to be sent: and again, where a server says that it has not run it.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

/// A script of ours: how it reads, and what Redis calls it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

pub(super) static SWAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("swap.lua")));
pub(super) static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua")));
pub(super) static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("count.lua")));

impl Script {
    fn new(text: &'static str) -> Script {
        Script { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    pub(super) fn call(&'static self, keys: Vec<String>, arguments: Vec<Vec<u8>>) -> Call {
        Call::Script { script: self, keys, arguments }
    }
}

/// What is to be run.
pub(super) enum Call {
    Plain(Cmd),
    Script { script: &'static Script, keys: Vec<String>, arguments: Vec<Vec<u8>> },
}

impl Call {
    pub(super) fn get(key: String) -> Call {
        let mut get = redis::cmd("GET");
        get.arg(key);
        Call::Plain(get)
    }

    /// Runs it. A script goes by its hash, and whole where the server does not know it (any more).
    pub(super) async fn run(&self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        let (script, keys, arguments) = match self {
            Call::Plain(command) => return command.query_async(connection).await,
            Call::Script { script, keys, arguments } => (script, keys, arguments),
        };
        let command = |name, body: &str| {
            let mut command = redis::cmd(name);
            command.arg(body).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        match command("EVALSHA", &script.hash).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", script.text).query_async(connection).await
            }
            answer => answer,
        }
    }
}
