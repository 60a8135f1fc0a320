//! Settings from flags, environment and a TOML file, in this order of precedence, by one declaration each.
//!
//! A key of the file becomes the flag of the same name, unless flag or environment have set it already. So
//! the file knows exactly the keys that the flags know, and is checked by the same rules.

use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::path::Path;

/// Parses the process's arguments; prints help and exits if they are wrong.
pub(crate) fn parse<C: CommandFactory + FromArgMatches>() -> anyhow::Result<C> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let matches = C::command().get_matches_from(&args);
    let matches = match matches.get_one::<std::path::PathBuf>("config") {
        Some(file) => {
            let more = from_file(&C::command(), &matches, file)?;
            C::command().get_matches_from(args.into_iter().chain(more))
        }
        None => matches,
    };
    C::from_arg_matches(&matches).map_err(|error| error.exit())
}

/// The flags that `file` adds to what flags and environment have set.
fn from_file(command: &clap::Command, matches: &ArgMatches, file: &Path) -> anyhow::Result<Vec<OsString>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("config file {}", file.display()))?;
    let tables: toml::Table = text.parse().with_context(|| format!("config file {}", file.display()))?;
    let Some((role, set)) = matches.subcommand() else { return Ok(Vec::new()) };
    let mut more = Vec::new();
    for (table, values) in &tables {
        let Some(mut role_command) = command.find_subcommand(table) else {
            bail!("{}: [{table}] is no subcommand of conclave", file.display());
        };
        let mut set = set;
        // Of a subcommand with chores of its own, the table is about the one at hand.
        while let (true, Some((chore, inner))) = (table == role, set.subcommand()) {
            role_command = role_command.find_subcommand(chore).expect("it was parsed");
            set = inner;
        }
        if table != role && role_command.has_subcommands() {
            continue;
        }
        let values =
            values.as_table().with_context(|| format!("{}: `{table}` is no table", file.display()))?;
        for (key, value) in values {
            let Some(arg) =
                role_command.get_arguments().find(|arg| arg.get_long() == Some(&key.replace('_', "-")))
            else {
                bail!("{}: [{table}] has no setting `{key}`; see `conclave {table} --help`", file.display());
            };
            let already = matches!(
                set.value_source(arg.get_id().as_str()),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            );
            if table != role || already {
                continue;
            }
            let values = match value {
                toml::Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            for value in values {
                let value = match value {
                    toml::Value::String(text) => text,
                    toml::Value::Boolean(true) if !arg.get_action().takes_values() => {
                        more.push(format!("--{}", key.replace('_', "-")).into());
                        continue;
                    }
                    toml::Value::Boolean(false) if !arg.get_action().takes_values() => continue,
                    toml::Value::Integer(number) => number.to_string(),
                    toml::Value::Float(number) => number.to_string(),
                    other => bail!("{}: [{table}] {key} = {other} cannot be used", file.display()),
                };
                more.push(format!("--{}={value}", key.replace('_', "-")).into());
            }
        }
    }
    Ok(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Role,
    }

    #[derive(clap::Subcommand)]
    enum Role {
        Serve {
            #[arg(long, default_value_t = 1)]
            queue_max: u32,
            #[arg(long, default_value_t = 8080)]
            port: u16,
        },
        Group {
            #[command(subcommand)]
            chore: Chore,
        },
    }

    #[derive(clap::Subcommand)]
    enum Chore {
        List {
            #[arg(long)]
            at: Vec<String>,
        },
    }

    fn more(args: &[&str], file: &str) -> anyhow::Result<Vec<OsString>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conclave.toml");
        std::fs::write(&path, file).unwrap();
        let matches = Cli::command().get_matches_from(args);
        from_file(&Cli::command(), &matches, &path)
    }

    #[test]
    fn the_file_sets_what_no_flag_has_set() {
        let more = more(&["conclave", "serve", "--port", "9"], "[serve]\nport = 7\nqueue_max = 5\n").unwrap();
        assert_eq!(more, ["--queue-max=5"]);
        let args = ["conclave", "serve"].map(OsString::from).into_iter().chain(more);
        let cli = <Cli as clap::Parser>::parse_from(args);
        let Role::Serve { queue_max, port } = cli.command else { panic!("another subcommand") };
        assert_eq!((queue_max, port), (5, 8080));
    }

    #[test]
    fn a_chore_takes_its_settings_from_the_table_of_its_subcommand() {
        let file = "[group]\nat = [\"a:1\", \"b:1\"]\n";
        assert_eq!(more(&["conclave", "group", "list"], file).unwrap(), ["--at=a:1", "--at=b:1"]);
        assert_eq!(more(&["conclave", "group", "list", "--at", "c:1"], file).unwrap(), [""; 0]);
        assert_eq!(more(&["conclave", "serve"], file).unwrap(), [""; 0]);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = more(&["conclave", "serve"], "[serve]\nqueue_maximum = 5\n").unwrap_err();
        assert!(error.to_string().contains("queue_maximum"), "{error}");
    }
}
