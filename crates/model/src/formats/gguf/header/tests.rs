use super::*;
use proptest::prelude::*;
use serde_json::json;

/// A header in the making.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn new(version: u32, tensors: u64, keys: u64) -> Self {
        let mut writer = Self(b"GGUF".to_vec());
        writer.u32(version).u64(tensors).u64(keys);
        writer
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.u64(text.len() as u64).0.extend(text.as_bytes());
        self
    }

    fn tensor(&mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> &mut Self {
        self.text(name).u32(shape.len() as u32);
        shape.iter().for_each(|size| _ = self.u64(*size));
        self.u32(kind).u64(offset)
    }

    fn data(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.resize(bytes.len().next_multiple_of(32) + len, 7);
        bytes
    }
}

/// Two keys of which one is a list of texts, and two tensors: `a` `[2, 32]` in Q8_0 and `b` `[3]` in F32.
fn sample() -> Vec<u8> {
    let mut writer = Writer::new(3, 2, 2);
    writer.text("general.architecture").u32(8).text("olmoe");
    writer.text("tokenizer.ggml.tokens").u32(9).u32(8).u64(2).text("a").text("é");
    writer.tensor("a", &[32, 2], 8, 0).tensor("b", &[3], 0, 96).data(108)
}

fn parsed(bytes: &[u8]) -> Result<Header, String> {
    parse(Path::new("x.gguf"), bytes, bytes.len()).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let error = parsed(bytes).expect_err("an error");
    assert!(error.starts_with("x.gguf: ") && error.contains(why), "`{error}` does not say `{why}`");
}

#[test]
fn a_header_gives_metadata_and_tensors() {
    let bytes = sample();
    let header = parsed(&bytes).unwrap();
    let expected = json!({"general.architecture": "olmoe", "tokenizer.ggml.tokens": ["a", "é"]});
    assert_eq!(Value::from(header.metadata), expected);
    let start = bytes.len() - 108;
    let [a, b] = &header.tensors[..] else { panic!("two tensors") };
    assert_eq!((a.name.as_str(), a.dtype, &a.shape[..]), ("a", StoredDtype::Q8_0, &[2, 32][..]));
    assert_eq!(a.range, start..start + 68);
    assert_eq!((b.name.as_str(), b.dtype, &b.shape[..]), ("b", StoredDtype::F32, &[3][..]));
    assert_eq!(b.range, start + 96..start + 108);
}

#[test]
fn every_kind_of_value_is_read() {
    let mut writer = Writer::new(2, 0, 13);
    let numbers: [(u32, &[u8]); 11] = [
        (0, &[200]),
        (1, &[0xff]),
        (2, &[1, 2]),
        (3, &[0xfe, 0xff]),
        (4, &[1, 0, 0, 0]),
        (5, &[0xfd, 0xff, 0xff, 0xff]),
        (6, &[0, 0, 0x20, 0x40]),
        (7, &[1]),
        (10, &[5, 0, 0, 0, 0, 0, 0, 0]),
        (11, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (12, &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f]),
    ];
    for (kind, bytes) in numbers {
        writer.text(&kind.to_string()).u32(kind).0.extend(bytes);
    }
    writer.text("8").u32(8).text("text");
    writer.text("9").u32(9).u32(9).u64(2).u32(4).u64(1).u32(9).u32(7).u64(0);
    let expected = json!({
        "0": 200, "1": -1, "2": 513, "3": -2, "4": 1, "5": -3, "6": 2.5, "7": true, "10": 5, "11": -4,
        "12": null, "8": "text", "9": [[9], []],
    });
    assert_eq!(Value::from(parsed(&writer.0).unwrap().metadata), expected);
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let bytes = sample();
    for len in 0..bytes.len() {
        refused(&bytes[..len], "");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic_and_tensors_stay_within_the_file(
        changes in prop::collection::vec((0_usize..256, any::<u8>()), 1..6),
        cut in 0_usize..400,
    ) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut.saturating_sub(200) % bytes.len());
        if let Ok(header) = parsed(&bytes) {
            prop_assert!(header.tensors.iter().all(|tensor| tensor.range.end <= bytes.len()));
        }
    }

    #[test]
    fn any_bytes_after_the_magic_number_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parsed(&[b"GGUF\x03\0\0\0".as_slice(), &tail].concat());
    }
}

#[test]
fn what_is_wrong_is_told_with_its_offset() {
    refused(b"PK\x03\x04....", "at offset 0: this is not a GGUF file");
    refused(&Writer::new(1, 0, 0).0, "GGUF version 1; supported: 2, 3");
    refused(&Writer::new(3_u32.swap_bytes(), 0, 0).0, "GGUF version 3 in big-endian order");
    refused(
        &Writer::new(3, 0, u64::MAX).0,
        "at offset 16: the number of metadata keys is 18446744073709551615",
    );
    let one_key = |write: fn(&mut Writer)| {
        let mut writer = Writer::new(3, 0, 1);
        writer.text("key");
        write(&mut writer);
        writer.0.extend([0; 40]);
        writer.0
    };
    refused(&one_key(|w| _ = w.u32(13)), "metadata type 13 is unknown");
    refused(&one_key(|w| _ = w.u32(7).u32(2)), "a flag is 2");
    refused(
        &one_key(|w| _ = w.u32(8).u64(1 << 40)),
        "at offset 39: a metadata value is 1099511627776, more than",
    );
    refused(&one_key(|w| _ = w.u32(9).u32(10).u64(6)), "an array's length is 6, more than");
    let deep = |w: &mut Writer| {
        w.u32(9);
        (0..5).for_each(|_| _ = w.u32(9).u64(1));
    };
    refused(&one_key(deep), "arrays are nested more than 4 deep");
    let mut twice = Writer::new(3, 0, 2);
    twice.text("key").u32(0).0.push(1);
    twice.text("key").u32(0).0.push(1);
    refused(&twice.0, "metadata key `key` is there twice");
    let mut alignment = Writer::new(3, 0, 1);
    alignment.text("general.alignment").u32(4).u32(12);
    refused(&alignment.0, "`general.alignment` is 12");
}

#[test]
fn impossible_tensors_are_refused() {
    let tensors = |entries: &[(&[u64], u32, u64)], data: usize| {
        let mut writer = Writer::new(3, entries.len() as u64, 0);
        let names = ["a", "b"].iter().zip(entries);
        names.for_each(|(name, (shape, kind, offset))| _ = writer.tensor(name, shape, *kind, *offset));
        writer.data(data)
    };
    refused(&tensors(&[(&[], 0, 0)], 64), "tensor `a` has 0 dimensions");
    refused(&tensors(&[(&[1; 5], 0, 0)], 64), "tensor `a` has 5 dimensions");
    refused(&tensors(&[(&[4, 0], 0, 0)], 64), "tensor `a` has an impossible shape");
    refused(&tensors(&[(&[1 << 40, 1 << 40], 0, 0)], 64), "tensor `a` has an impossible shape");
    refused(&tensors(&[(&[u64::MAX / 2], 0, 0)], 64), "too large");
    refused(
        &tensors(&[(&[48], 8, 0)], 64),
        "tensor `a` has rows of 48, which are no whole blocks of 32 of Q8_0",
    );
    refused(&tensors(&[(&[4], 0, 8)], 64), "tensor `a` is not at a multiple of 32 bytes");
    refused(&tensors(&[(&[17], 0, 0)], 64), "tensor `a` has 68 bytes at data offset 0, beyond the end");
    refused(&tensors(&[(&[4], 0, 1 << 63)], 64), "beyond the end");
    refused(&tensors(&[(&[9], 0, 0), (&[4], 0, 32)], 64), "tensors `a` and `b` overlap");
    refused(&tensors(&[(&[256], 23, 0)], 256), "tensor `a` is IQ4_XS; supported: F32");
    refused(&tensors(&[(&[256], 99, 0)], 256), "tensor `a` is of type 99; supported: F32");
}
