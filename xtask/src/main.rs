//! Chores of the repository. Today: the test that holds ARCHITECTURE.md's layer picture against the crates.

fn main() {
    eprintln!("xtask has no commands yet; `cargo test -p xtask` checks the layers");
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use serde_json::Value;
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::process::Command;

    /// Crate name to layer, from the `layers` block; `beside` is above everything.
    fn picture() -> anyhow::Result<BTreeMap<String, u32>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = std::fs::read_to_string(root.join("ARCHITECTURE.md"))?;
        let block = text.split("```layers\n").nth(1).and_then(|rest| rest.split("```").next());
        let mut layers = BTreeMap::new();
        for line in block.context("ARCHITECTURE.md has no ```layers block")?.lines() {
            let mut words = line.split_whitespace();
            let layer = match words.next().context("an empty line in the layers block")? {
                "beside" => u32::MAX,
                number => {
                    words.next();
                    number.parse()?
                }
            };
            layers.extend(words.map(|name| (name.to_owned(), layer)));
        }
        Ok(layers)
    }

    fn metadata() -> anyhow::Result<Value> {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    #[test]
    fn dependencies_point_down_the_layer_picture() {
        let layers = picture().unwrap();
        let metadata = metadata().unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
        let drawn: Vec<&str> = layers.keys().map(String::as_str).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, drawn, "the workspace's crates and ARCHITECTURE.md's picture differ");
        for package in packages {
            let name = package["name"].as_str().unwrap();
            for dependency in package["dependencies"].as_array().unwrap() {
                let to = dependency["name"].as_str().unwrap();
                let Some(to_layer) = layers.get(to) else { continue };
                let within = layers[name] == *to_layer && [0, 1, 3, 5].contains(to_layer);
                assert!(*to_layer < layers[name] || within, "{name} depends upwards on {to}");
                assert!(!(layers[name] <= 1 && *to_layer > 1), "{name} is pure and depends on {to}");
            }
        }
    }

    #[test]
    fn pure_crates_know_no_runtime() {
        let layers = picture().unwrap();
        for package in metadata().unwrap()["packages"].as_array().unwrap() {
            if layers[package["name"].as_str().unwrap()] > 1 {
                continue;
            }
            for dependency in package["dependencies"].as_array().unwrap() {
                let to = dependency["name"].as_str().unwrap();
                assert!(
                    !["tokio", "tonic", "axum"].contains(&to),
                    "{} is pure and uses {to}",
                    package["name"]
                );
            }
        }
    }
}
