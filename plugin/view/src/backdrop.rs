//! A still picture of the surroundings behind the map: all directions of a room or a landscape as an equirectangular picture.
//!
//! The spectrum lies over it, the clearer the more it scores, so that silence shows the picture and a source covers what it sounds from.

use std::sync::Arc;

use egui::{
    ColorImage, Context, RichText, TextEdit, TextureHandle, TextureId, TextureOptions, TextureWrapMode, Ui, vec2,
};
use serde::{Deserialize, Serialize};

use crate::state::ViewState;
use crate::{theme, widgets};

/// Which picture the user wants behind the map, and how clearly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackdropChoice {
    /// The file's name; empty for none.
    pub path: String,
    /// How much of the picture is left where nothing sounds, in percent, 0 … 100.
    pub opacity_percent: u8,
}

impl Default for BackdropChoice {
    fn default() -> Self {
        Self { path: String::new(), opacity_percent: 50 }
    }
}

/// What has become of the wanted picture.
#[derive(Clone, Debug)]
pub enum Backdrop {
    /// It is on its way.
    Loading,
    /// It is here: azimuth +180° at the left edge, the front in the middle, elevation +90° at the top, at most
    /// [`BACKDROP_SIZE`] texels.
    Ready(Arc<ColorImage>),
    /// It cannot be shown, and why.
    Failed(String),
}

/// The most texels of a picture behind the map, across and down: finer than a screen shows them.
pub const BACKDROP_SIZE: [usize; 2] = [2048, 1024];

/// The opacities on offer, in percent.
const OPACITIES: [(u8, &str); 4] = [(25, "25 %"), (50, "50 %"), (75, "75 %"), (100, "100 %")];

/// The picture as a texture.
#[derive(Default)]
pub(crate) struct BackdropTexture(Option<(Arc<ColorImage>, TextureHandle)>);

/// Textures are made anew for a copy: it may live in another window.
impl Clone for BackdropTexture {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl BackdropTexture {
    /// Follows what there is to show.
    pub(crate) fn update(&mut self, ctx: &Context, backdrop: Option<&Backdrop>) {
        let Some(Backdrop::Ready(picture)) = backdrop else {
            self.0 = None;
            return;
        };
        if self.0.as_ref().is_some_and(|(shown, _)| Arc::ptr_eq(shown, picture)) {
            return;
        }
        let options = TextureOptions {
            wrap_mode: TextureWrapMode::Repeat,
            mipmap_mode: Some(egui::TextureFilter::Linear),
            ..TextureOptions::LINEAR
        };
        self.0 = Some((picture.clone(), ctx.load_texture("backdrop", picture.clone(), options)));
    }

    /// The texture, where there is a picture; it repeats along u.
    pub(crate) fn id(&self) -> Option<TextureId> {
        self.0.as_ref().map(|(_, texture)| texture.id())
    }
}

/// The choice of the picture, `width` wide.
pub(crate) fn choice(ui: &mut Ui, width: f32, state: &mut ViewState) {
    let chosen = &mut state.backdrop;
    let typed = state.cache.backdrop_path.get_or_insert_with(|| chosen.path.clone());
    let shown = !chosen.path.is_empty();
    let same = typed.trim() == chosen.path;
    let field = TextEdit::singleline(typed).hint_text("/path/to/room.png or .jpg").font(theme::regular(12.0));
    let button = if shown && same { "Remove" } else { "Show" };
    let room = vec2((width - 70.0).max(60.0), theme::HIT);
    let response = ui.add_sized(room, field);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Picture behind the map"));
    let response = response.on_hover_text(
        "A PNG or JPEG of the surroundings, twice as wide as high, as 360° cameras make them: the front in the middle. \
         Type or paste the file's name",
    );
    let entered = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
    let named = !typed.trim().is_empty();
    let clicked = ui.add_enabled(named, egui::Button::new(RichText::new(button).size(12.0))).clicked();
    if clicked && shown && same {
        chosen.path.clear();
        typed.clear();
    } else if (clicked || entered) && named {
        chosen.path = typed.trim().to_owned();
    } else if entered {
        chosen.path.clear();
    }
}

/// What has become of the picture, and how clear it is.
pub(crate) fn details(ui: &mut Ui, width: f32, state: &mut ViewState, backdrop: Option<&Backdrop>) {
    match backdrop {
        None => {}
        Some(Backdrop::Failed(why)) => {
            ui.add(egui::Label::new(RichText::new(why).size(12.0).color(theme::ERROR)).wrap());
        }
        Some(Backdrop::Loading) => {
            ui.label(RichText::new("Reading the picture…").size(12.0).color(theme::DIM));
        }
        Some(Backdrop::Ready(_)) => {
            let hints = [
                "Just a hint of the room",
                "Half of the picture where nothing sounds",
                "Clear, with the sources over it",
                "The whole picture; only sources cover it",
            ];
            let options: [_; 4] = std::array::from_fn(|i| (OPACITIES[i].0, OPACITIES[i].1, hints[i]));
            if let Some(percent) = widgets::segmented(ui, width, &options, state.backdrop.opacity_percent) {
                state.backdrop.opacity_percent = percent;
            }
        }
    }
}
