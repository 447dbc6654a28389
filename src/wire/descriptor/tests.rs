use super::*;

const DD1: &[u8] = include_bytes!("../../../tests/data/descriptor/dd1.xml");
const DD2: &[u8] = include_bytes!("../../../tests/data/descriptor/dd2.xml");

fn read(text: &str) -> Result<Descriptor, Error> {
    Descriptor::read(text.as_bytes(), &Limits::default())
}

fn player() -> Descriptor {
    Descriptor {
        name: "Player 1.7".to_owned(),
        vendor: "Example Net".to_owned(),
        description: "Media player, version 1.7".to_owned(),
        types: vec!["application/vnd.example.pkg".to_owned()],
        size: 1_482_240,
        object_uri: "https://dl.example.net/d/8f2c/player17.pkg".to_owned(),
        install_notify_uri: Some("https://dl.example.net/n/8f2c".to_owned()),
        install_param: Some("silent=1".to_owned()),
        ..Descriptor::default()
    }
}

#[test]
fn the_worked_example_is_read_and_written_as_it_stands() {
    assert_eq!(Descriptor::read(DD1, &Limits::default()).unwrap(), player());
    assert_eq!(player().write().as_bytes(), DD1);
}

#[test]
fn every_element_survives_with_markup_in_it() {
    let all = Descriptor {
        name: "A&B <1>".to_owned(),
        types: vec!["a/b".to_owned(), "c/d".to_owned()],
        object_uri: "https://dl.example.net/?a=1&b=2".to_owned(),
        next_url: Some("https://n.example.net/".to_owned()),
        info_url: Some("https://i.example.net/".to_owned()),
        icon_uri: Some("https://c.example.net/".to_owned()),
        ..player()
    };
    assert_eq!(read(&all.write()).unwrap(), all);
}

#[test]
fn the_least_descriptor_has_three_elements_and_junk_is_ignored() {
    let text = "<media><junk><type>x</type></junk><type> a/b\n</type><size>7</size><objectURI>o</objectURI></media>";
    let found = read(text).unwrap();
    assert_eq!((found.types, found.size, found.object_uri.as_str()), (vec!["a/b".to_owned()], 7, "o"));
}

#[test]
fn another_major_version_is_answered_951() {
    let rest = "<type>a/b</type><size>7</size><objectURI>o</objectURI>";
    for version in ["2.0", "11", "x", "0.9"] {
        let error = read(&format!("<media><DDVersion>{version}</DDVersion>{rest}</media>")).unwrap_err();
        assert_eq!(error.report(), InstallNotify::INVALID_VERSION, "{version}");
    }
    let error = Descriptor::read(DD2, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "descriptor is of version `2.0`, expected 1");
    for version in ["1", "1.0", "1.7"] {
        read(&format!("<media><DDVersion>{version}</DDVersion>{rest}</media>")).unwrap();
    }
}

#[test]
fn what_is_missing_or_wrong_is_answered_906() {
    let parts = ["<type>a/b</type>", "<size>7</size>", "<objectURI>o</objectURI>"];
    for (index, element) in ["type", "size", "objectURI"].into_iter().enumerate() {
        let mut some = parts;
        some[index] = "";
        let error = read(&format!("<media>{}</media>", some.concat())).unwrap_err();
        assert!(matches!(error, Error::Missing { element: found } if found == element), "{error}");
        assert_eq!(error.report(), InstallNotify::INVALID_DESCRIPTOR);
    }
    for text in ["", "<html/>", "<media>", "<media><type>a/b</type><size>-7</size><objectURI>o</objectURI></media>"] {
        assert_eq!(read(text).unwrap_err().report(), InstallNotify::INVALID_DESCRIPTOR, "{text}");
    }
}
