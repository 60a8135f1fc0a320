//! Neighbouring versions understand each other: whatever the last release put into messages still has its number and its form.
//!
//! `schema/released.txt` lists the fields, enum values and calls of the last release. New ones may be added freely; one of the
//! list may not change or go while the release before this one may still run beside it. With a release the list is written anew:
//! `CONCLAVE_RELEASE=1 cargo test --release --workspace --test compatibility`.

use prost_types::{DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto};
use std::collections::BTreeSet;
use std::path::Path;

fn enum_values(within: &str, one: &EnumDescriptorProto, lines: &mut BTreeSet<String>) {
    let line = |value: &EnumValueDescriptorProto| {
        format!("{within}.{} {} {}", one.name(), value.number(), value.name())
    };
    lines.extend(one.value.iter().map(line));
}

/// Names of fields are left out: they are not on the wire.
fn fields(within: &str, message: &DescriptorProto, lines: &mut BTreeSet<String>) {
    let name = format!("{within}.{}", message.name());
    for field in &message.field {
        let form = field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase();
        let many = field.label().as_str_name().trim_start_matches("LABEL_").to_lowercase();
        let of = field.type_name().trim_start_matches('.');
        lines.insert(format!("{name} {} {many} {form} {of}", field.number()).trim_end().to_owned());
    }
    message.enum_type.iter().for_each(|one| enum_values(&name, one, lines));
    message.nested_type.iter().for_each(|nested| fields(&name, nested, lines));
}

/// Every field, enum value and call of the protocols, a line each.
fn protocols() -> BTreeSet<String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let files = protox::compile(["expert.proto", "coordinator.proto"], [schema]).unwrap();
    let mut lines = BTreeSet::new();
    for file in &files.file {
        let package = file.package();
        file.message_type.iter().for_each(|message| fields(package, message, &mut lines));
        file.enum_type.iter().for_each(|one| enum_values(package, one, &mut lines));
        for service in &file.service {
            for call in &service.method {
                let side = |streams: bool, of: &str| {
                    format!("{}{}", if streams { "stream " } else { "" }, of.trim_start_matches('.'))
                };
                let asked = side(call.client_streaming(), call.input_type());
                let answered = side(call.server_streaming(), call.output_type());
                lines.insert(format!("{package}.{}/{} {asked} -> {answered}", service.name(), call.name()));
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
