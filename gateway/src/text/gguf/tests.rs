use super::*;
use crate::text::TextCodec;
use crate::text::seed::seeded;
use conclave_types::TokenId;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

const VOCAB_SIZE: u32 = 4096;

static FOLDER: LazyLock<TextCodec> = LazyLock::new(|| TextCodec::load(&folder(), VOCAB_SIZE).unwrap());
static GGUF: LazyLock<TextCodec> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tiny-tales.gguf");
    std::fs::write(&file, written(&tiny_tales())).unwrap();
    TextCodec::load(&file, VOCAB_SIZE).unwrap()
});

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny-tales")
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object") };
    map
}

/// The metadata of tiny-tales as a converter writes them.
fn tiny_tales() -> Map<String, Value> {
    let tokenizer = json_of("tokenizer.json");
    let vocab = object(tokenizer["model"]["vocab"].clone());
    let mut tokens = vec![String::new(); vocab.len()];
    vocab.iter().for_each(|(text, id)| tokens[id.as_u64().unwrap() as usize] = text.clone());
    let kinds: Vec<u32> = (0..tokens.len()).map(|id| if id < 3 { 3 } else { 1 }).collect();
    let merges = tokenizer["model"]["merges"].as_array().unwrap().iter();
    let merge = |merge: &Value| match merge {
        Value::Array(pair) => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
        text => text.as_str().unwrap().to_owned(),
    };
    object(json!({
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": merges.map(merge).collect::<Vec<_>>(),
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.chat_template": json_of("tokenizer_config.json")["chat_template"],
    }))
}

/// A GGUF file of these metadata and no tensor.
fn written(metadata: &Map<String, Value>) -> Vec<u8> {
    fn text(text: &str, out: &mut Vec<u8>) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
    fn value(value: &Value, out: &mut Vec<u8>) -> u32 {
        match value {
            Value::String(value) => {
                text(value, out);
                8
            }
            Value::Number(number) => {
                out.extend((number.as_u64().unwrap() as u32).to_le_bytes());
                4
            }
            Value::Array(values) => {
                let mut items = Vec::new();
                let kind = values.iter().map(|item| value_of(item, &mut items)).last().unwrap();
                out.extend(kind.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                out.extend(items);
                9
            }
            other => panic!("{other}"),
        }
    }
    use value as value_of;
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend(0_u64.to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, item) in metadata {
        text(key, &mut out);
        let mut bytes = Vec::new();
        let kind = value(item, &mut bytes);
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    }
    out
}

fn check(text: &str) {
    for special in [true, false] {
        assert_eq!(GGUF.encode(text, special).unwrap(), FOLDER.encode(text, special).unwrap(), "{text:?}");
    }
    let tokens = GGUF.encode_prompt(text).unwrap();
    assert_eq!(tokens, FOLDER.encode_prompt(text).unwrap(), "{text:?}");
    assert_eq!(GGUF.decode(&tokens).unwrap(), FOLDER.decode(&tokens).unwrap(), "{text:?}");
}

#[test]
fn a_tokenizer_from_metadata_is_that_of_the_folder() {
    let readme = include_str!("../../../../README.md");
    readme.lines().for_each(check);
    check(readme);
    for text in [
        "",
        " ",
        "  x",
        "\n\n",
        "a<|im_end|>b",
        "<|im_start|>user\nhi",
        "don't 12345 naïve 日本語 🦀 e\u{301}",
    ] {
        check(text);
    }
    for id in 0..VOCAB_SIZE {
        assert_eq!(GGUF.token_text(TokenId(id)).unwrap(), FOLDER.token_text(TokenId(id)).unwrap());
        assert_eq!(GGUF.is_special(TokenId(id)), FOLDER.is_special(TokenId(id)));
    }
}

#[test]
fn a_chat_template_from_metadata_is_that_of_the_folder() {
    let messages = [json!({"role": "user", "content": "Tell me a story.<|im_end|>"})];
    let chat = |codec: &TextCodec| codec.encode_chat(&messages, true, &Map::new()).unwrap();
    assert_eq!(chat(&GGUF), chat(&FOLDER));
    assert_eq!(GGUF.eos_token(), FOLDER.eos_token());
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn any_text_has_the_tokens_of_the_folder(text in r"\PC*|[ \n\r\ta-c0-9'.ſ<|>]{0,40}") {
        check(&text);
    }
}

fn tokens_of(settings: &Settings, text: &str, framed: bool) -> Vec<u32> {
    settings.tokenizer.encode_fast(text, framed).unwrap().get_ids().to_vec()
}

/// A text and its tokens.
type Case = (String, Vec<u32>);

/// The metadata of the small SentencePiece model, and texts with the tokens its own library makes of them.
fn pieces() -> (Map<String, Value>, Vec<Case>) {
    let fixture: Value = serde_json::from_str(include_str!("sentence_piece/pieces.json")).unwrap();
    let metadata = json!({
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": fixture["tokens"],
        "tokenizer.ggml.scores": fixture["scores"],
        "tokenizer.ggml.token_type": fixture["token_type"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    });
    (object(metadata), serde_json::from_value(fixture["cases"].clone()).unwrap())
}

#[test]
fn a_sentence_piece_model_encodes_as_its_own_library_does() {
    let (metadata, cases) = pieces();
    let settings = settings(Path::new("x.gguf"), &metadata).unwrap();
    let mut plain = settings.tokenizer.clone();
    plain.set_encode_special_tokens(true);
    assert!(cases.len() > 20);
    for (text, expected) in cases {
        let found = plain.encode_fast(text.as_str(), false).unwrap().get_ids().to_vec();
        assert_eq!(found, expected, "{text:?}");
        assert_eq!(settings.tokenizer.decode(&found, true).unwrap(), text.replace('▁', " "));
    }
}

#[test]
fn a_raw_prompt_begins_and_ends_as_the_metadata_say() {
    let (mut metadata, _) = pieces();
    let framed = |metadata: &Map<String, Value>| {
        let settings = settings(Path::new("x.gguf"), metadata).unwrap();
        let tokens = tokens_of(&settings, "a", true);
        let plain = tokens_of(&settings, "a", false);
        (tokens.starts_with(&[1]), tokens.ends_with(&[2]), tokens.len() - plain.len())
    };
    assert_eq!(framed(&metadata), (true, false, 1));
    metadata.insert("tokenizer.ggml.add_eos_token".into(), true.into());
    assert_eq!(framed(&metadata), (true, true, 2));
    metadata.insert("tokenizer.ggml.add_bos_token".into(), false.into());
    assert_eq!(framed(&metadata), (false, true, 1));
}

#[test]
fn special_added_and_unused_tokens_are_told_apart_by_their_type() {
    let mut metadata = tiny_tales();
    let mut set = |id: usize, text: &str, kind: u32| {
        metadata["tokenizer.ggml.tokens"][id] = text.into();
        metadata["tokenizer.ggml.token_type"][id] = kind.into();
    };
    set(4093, "<think>", 4);
    set(4094, "[PAD4094]", 5);
    set(4095, "", 1);
    // The merges that made these tokens go with them.
    let merges = metadata["tokenizer.ggml.merges"].as_array_mut().unwrap();
    merges.truncate(merges.len() - 3);
    let mut tokenizer = settings(Path::new("x.gguf"), &metadata).unwrap().tokenizer;
    tokenizer.set_encode_special_tokens(true);
    let ids = |text: &str| tokenizer.encode_fast(text, false).unwrap().get_ids().to_vec();
    assert_eq!(ids("<think>"), [4093]);
    assert_eq!(tokenizer.decode(&[4093], true).unwrap(), "<think>");
    assert!(!ids("<|im_end|>").contains(&2));
    assert_eq!(tokenizer.id_to_token(4094), None);
    assert_eq!(tokenizer.id_to_token(4095), None);
}

#[test]
fn every_known_pre_tokenizer_cuts_as_its_model_does() {
    let cut = |pre: &str, text: &str| {
        let mut metadata = tiny_tales();
        metadata.insert("tokenizer.ggml.pre".into(), pre.into());
        let tokenizer = settings(Path::new("x.gguf"), &metadata).unwrap().tokenizer;
        let mut pieces = tokenizers::PreTokenizedString::from(text);
        tokenizers::PreTokenizer::pre_tokenize(tokenizer.get_pre_tokenizer().unwrap(), &mut pieces).unwrap();
        let splits = pieces.get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::Byte);
        splits.iter().map(|(_, at, _)| &text[at.0..at.1]).collect::<Vec<_>>().join("|")
    };
    let all = |text: &str| {
        ["gpt-2", "olmo", "qwen2", "llama-bpe", "dbrx", "starcoder", "default"]
            .map(|pre| format!("{pre}: {}\n", cut(pre, text)))
            .concat()
    };
    expect![[r#"
        gpt-2: I|'|LL| pay| 12345|,| don|'t| you|?| | (|yes|)|

        | x|+=|1|;
        olmo: I|'|LL| pay| 12345|,| don|'t| you|?| | (|yes|)|

        | x|+=|1|;
        qwen2: I|'LL| pay| |1|2|3|4|5|,| don|'t| you|?| | (|yes|)

        | x|+=|1|;
        llama-bpe: I|'LL| pay| |123|45|,| don|'t| you|?| | (|yes|)

        | x|+=|1|;
        dbrx: I|'LL| pay| |123|45|,| don|'t| you|?| | (|yes|)

        | x|+=|1|;
        starcoder: I|'|LL| pay| |1|2|3|4|5|,| don|'t| you|?| | (|yes|)|

        | x|+=|1|;
        default: I|'|LL| pay| |123|45|,| don|'|t| you|?|  |(|yes|)|

        | x|+=|1|;
    "#]]
    .assert_eq(&all("I'LL pay 12345, don't you?  (yes)\n\n x+=1;"));
}

#[track_caller]
fn refused(change: impl Fn(&mut Map<String, Value>), expected: Expect) {
    let mut metadata = tiny_tales();
    change(&mut metadata);
    let error = settings(Path::new("x.gguf"), &metadata).err().expect("an error");
    expected.assert_eq(&error.to_string());
}

#[test]
fn what_is_missing_or_unknown_is_refused_by_name() {
    let set = |key: &'static str, value: Value| {
        move |metadata: &mut Map<String, Value>| {
            metadata.insert(format!("tokenizer.ggml.{key}"), value.clone());
        }
    };
    refused(
        set("model", "bert".into()),
        expect!["x.gguf: `tokenizer.ggml.model` is `bert`; supported: gpt2, llama"],
    );
    refused(
        set("pre", "mystery".into()),
        expect![
            "x.gguf: `tokenizer.ggml.pre` is `mystery`, which is not known; known: gpt-2, mpt, phi-2, jais, exaone4, olmo, qwen2, deepseek-r1-qwen, megrez, llama-bpe, llama3, llama-v3, dbrx, smaug-bpe, starcoder, refact, command-r, smollm, codeshell, exaone, minerva-7b, default"
        ],
    );
    refused(
        set("tokens", json!([1])),
        expect![
            "x.gguf is malformed: `tokenizer.ggml.tokens` is missing or is no list of its kind; fetch it again from the model's origin"
        ],
    );
    refused(
        set("token_type", json!([1])),
        expect![
            "x.gguf is malformed: it has 4096 tokens and 1 token types; fetch it again from the model's origin"
        ],
    );
    refused(
        set("merges", json!(["ab"])),
        expect![
            "x.gguf is malformed: `tokenizer.ggml.merges` is missing or is no list of its kind; fetch it again from the model's origin"
        ],
    );
    refused(
        set("merges", json!(["a nothing-such"])),
        expect![
            "x.gguf is malformed: Token `nothing-such` out of vocabulary; fetch it again from the model's origin"
        ],
    );
    refused(
        set("add_bos_token", true.into()),
        expect![
            "x.gguf is malformed: `tokenizer.ggml.add_bos_token` is true, and `bos_token_id` names no token; fetch it again from the model's origin"
        ],
    );
    refused(
        |metadata| metadata["tokenizer.ggml.tokens"][7] = "!".into(),
        expect!["x.gguf is malformed: token `!` is there twice; fetch it again from the model's origin"],
    );
    refused(
        |metadata| drop(metadata.shift_remove("tokenizer.ggml.model")),
        expect![
            "x.gguf is malformed: `tokenizer.ggml.model` is missing or is no text; fetch it again from the model's origin"
        ],
    );
}
