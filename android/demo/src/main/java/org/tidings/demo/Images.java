package org.tidings.demo;

import android.content.Context;
import android.graphics.Bitmap;
import android.util.LruCache;
import android.view.View;
import android.widget.ImageView;
import org.tidings.client.Tidings;

/** Shows pictures that notifications name, where the person has them loaded, and keeps the last of them. */
final class Images {
    private static final LruCache<String, Bitmap> KEPT = new LruCache<String, Bitmap>(8 << 20) {
        @Override
        protected int sizeOf(String address, Bitmap image) {
            return image.getByteCount();
        }
    };

    private final Tidings tidings;

    Images(Context context) {
        tidings = Tidings.of(context);
    }

    /** The view is gone until there is a picture; a view that was given another in the meantime keeps that. */
    void show(String address, ImageView view) {
        view.setTag(address);
        Bitmap kept = address == null || !tidings.settings().hasImages() ? null : KEPT.get(address);
        set(view, kept);
        if (address == null || kept != null || !tidings.settings().hasImages()) {
            return;
        }
        tidings.images().load(address, image -> {
            if (image != null) {
                keep(address, image);
                if (address.equals(view.getTag())) {
                    set(view, image);
                }
            }
        });
    }

    private static void set(ImageView view, Bitmap image) {
        view.setImageBitmap(image);
        view.setVisibility(image == null ? View.GONE : View.VISIBLE);
    }

    static void keep(String address, Bitmap image) {
        KEPT.put(address, image);
    }
}
