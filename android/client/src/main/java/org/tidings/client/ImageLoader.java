package org.tidings.client;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.os.Handler;
import android.os.Looper;
import android.os.SystemClock;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import javax.net.ssl.HttpsURLConnection;

/** Fetches pictures that strangers name: https only, at most 5 MiB in 15 seconds, scaled down while they are read. */
public final class ImageLoader {
    /** Bytes of a picture's file. */
    static final int MOST_BYTES = 5 << 20;
    /** Pixels of its longer side, as it is handed out. */
    static final int MOST_SIDE = 1024;
    /** Pixels of a side, as it is in the file: more is a trap. */
    private static final int MOST_SOURCE_SIDE = 16_384;
    private static final long MOST_MS = 15_000;
    private static final int SILENCE_MS = 5_000;
    private static final int MOST_REDIRECTS = 3;

    /** Hears of the picture; called on the main thread. */
    public interface Callback {
        /** @param image null where there is none to be had */
        void onImage(@Nullable Bitmap image);
    }

    /** Opens a connection, which a test does in its own way. */
    interface Opener {
        HttpURLConnection open(URL url) throws IOException;
    }

    private final Executor executor;
    private final Opener opener;
    private final LongSupplier clock;
    private final Handler main = new Handler(Looper.getMainLooper());

    ImageLoader(Executor executor) {
        this(executor, url -> (HttpURLConnection) url.openConnection(), SystemClock::elapsedRealtime);
    }

    ImageLoader(Executor executor, Opener opener, LongSupplier clock) {
        this.executor = executor;
        this.opener = opener;
        this.clock = clock;
    }

    /** Fetches a picture in the background. */
    public void load(@Nullable String address, Callback callback) {
        executor.execute(() -> {
            Bitmap image = fetch(address);
            main.post(() -> callback.onImage(image));
        });
    }

    /** Fetches a picture on this thread; null where there is none to be had. */
    @Nullable
    Bitmap fetch(@Nullable String address) {
        if (address == null || address.length() > 2048) {
            return null;
        }
        try {
            byte[] bytes = bytes(address);
            return bytes == null ? null : decode(bytes);
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            return null;
        }
    }

    private byte[] bytes(String address) throws IOException {
        long end = clock.getAsLong() + MOST_MS;
        URL url = new URL(address);
        for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
            if (!"https".equals(url.getProtocol()) || url.getUserInfo() != null) {
                return null;
            }
            HttpURLConnection connection = opener.open(url);
            try {
                connection.setConnectTimeout(SILENCE_MS);
                connection.setReadTimeout(SILENCE_MS);
                connection.setInstanceFollowRedirects(false);
                connection.setUseCaches(false);
                connection.setRequestProperty("Accept", "image/*");
                int code = connection.getResponseCode();
                String location = connection.getHeaderField("Location");
                if (code >= 301 && code <= 308 && code != 304 && location != null) {
                    url = new URL(url, location);
                    continue;
                }
                return code == HttpsURLConnection.HTTP_OK && connection.getContentLengthLong() <= MOST_BYTES
                        ? read(connection.getInputStream(), end) : null;
            } finally {
                connection.disconnect();
            }
        }
        return null;
    }

    @Nullable
    private byte[] read(InputStream in, long end) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] buffer = new byte[16 * 1024];
        for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
            out.write(buffer, 0, read);
            if (out.size() > MOST_BYTES || clock.getAsLong() > end) {
                return null;
            }
        }
        return out.toByteArray();
    }

    /** A picture no larger than a screen can use; null where it is none. */
    @Nullable
    static Bitmap decode(byte[] bytes) {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inJustDecodeBounds = true;
        BitmapFactory.decodeByteArray(bytes, 0, bytes.length, options);
        int side = Math.max(options.outWidth, options.outHeight);
        if (options.outWidth <= 0 || options.outHeight <= 0 || side > MOST_SOURCE_SIDE) {
            return null;
        }
        options.inJustDecodeBounds = false;
        options.inSampleSize = 1;
        while (side / (2 * options.inSampleSize) >= MOST_SIDE) {
            options.inSampleSize *= 2;
        }
        Bitmap image = BitmapFactory.decodeByteArray(bytes, 0, bytes.length, options);
        if (image == null) {
            return null;
        }
        int longer = Math.max(image.getWidth(), image.getHeight());
        if (longer <= MOST_SIDE) {
            return image;
        }
        int width = Math.max(1, image.getWidth() * MOST_SIDE / longer);
        int height = Math.max(1, image.getHeight() * MOST_SIDE / longer);
        return Bitmap.createScaledBitmap(image, width, height, true);
    }
}
