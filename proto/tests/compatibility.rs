//! Neighbouring versions understand each other: whatever the last release put into messages still has its number and its form.
//!
//! `schema/released.txt` lists the fields, enum values and calls of the last release. New ones may be added freely; one of the
//! list may not change or go while the release before this one may still run beside it. With a release the list is written anew:
//! `CONCLAVE_RELEASE=1 cargo test --release --workspace --test compatibility`.

use std::collections::BTreeSet;
use std::path::Path;

/// Every field, enum value and call of the protocols, a line each. Names of fields are left out: they are not on the wire.
macro_rules! walk {
    ($messages:expr, $within:expr, $lines:expr, $nested:ident) => {
        for message in $messages {
            let name = format!("{}.{}", $within, message.name());
            for field in &message.field {
                let form = field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase();
                let of = field.type_name().trim_start_matches('.');
                let many = field.label().as_str_name().trim_start_matches("LABEL_").to_lowercase();
                let line = format!("{name} {} {many} {form} {of}", field.number());
                $lines.insert(line.trim_end().to_owned());
            }
            for one in &message.enum_type {
                for value in &one.value {
                    $lines.insert(format!("{name}.{} {} {}", one.name(), value.number(), value.name()));
                }
            }
            $nested.extend(message.nested_type.iter().map(|nested| (name.clone(), nested.clone())));
        }
    };
}

fn protocols() -> BTreeSet<String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let files = protox::compile(["expert.proto", "coordinator.proto"], [schema]).unwrap();
    let mut lines = BTreeSet::new();
    for file in &files.file {
        let package = file.package().to_owned();
        let mut nested = Vec::new();
        walk!(&file.message_type, package, lines, nested);
        while let Some((within, message)) = nested.pop() {
            walk!([&message], within, lines, nested);
        }
        for one in &file.enum_type {
            for value in &one.value {
                lines.insert(format!("{package}.{} {} {}", one.name(), value.number(), value.name()));
            }
        }
        for service in &file.service {
            for call in &service.method {
                let streams = |yes: bool| if yes { "stream " } else { "" };
                lines.insert(format!(
                    "{package}.{}/{} {}{} -> {}{}",
                    service.name(),
                    call.name(),
                    streams(call.client_streaming()),
                    call.input_type().trim_start_matches('.'),
                    streams(call.server_streaming()),
                    call.output_type().trim_start_matches('.')
                ));
            }
        }
    }
    lines
}

#[test]
fn what_the_last_release_says_is_still_understood() {
    let now = protocols();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/released.txt");
    if std::env::var_os("CONCLAVE_RELEASE").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, text).unwrap();
    }
    let released = std::fs::read_to_string(&file).unwrap();
    let gone: Vec<&str> = released.lines().filter(|line| !now.contains(*line)).collect();
    assert!(
        gone.is_empty(),
        "a process of the last release would misread these or be misread; add a new field, and keep the old one for a \
         version: {gone:#?}"
    );
    assert!(released.lines().count() > 200, "the list is whole");
}
