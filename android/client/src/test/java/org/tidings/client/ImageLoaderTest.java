package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import android.graphics.Bitmap;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.GraphicsMode;

/** Pictures that are too large, too slow, somewhere else, or none. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public final class ImageLoaderTest extends ClientTest {
    private final Map<String, Page> pages = new HashMap<>();
    private final List<String> asked = new ArrayList<>();
    private long now;
    private final ImageLoader loader = new ImageLoader(Runnable::run, url -> {
        asked.add(url.toString());
        Page page = pages.get(url.toString());
        if (page == null) {
            throw new IOException("there is nobody");
        }
        return page.open(url);
    }, () -> now);

    /** An answer of a web server. */
    private static final class Page {
        int code = 200;
        String location;
        long length = -1;
        InputStream body = new ByteArrayInputStream(new byte[0]);

        HttpURLConnection open(URL url) {
            return new HttpURLConnection(url) {
                @Override
                public int getResponseCode() {
                    return code;
                }

                @Override
                public String getHeaderField(String name) {
                    return name.equals("Location") ? location : null;
                }

                @Override
                public long getContentLengthLong() {
                    return length;
                }

                @Override
                public InputStream getInputStream() {
                    return body;
                }

                @Override
                public void disconnect() {}

                @Override
                public boolean usingProxy() {
                    return false;
                }

                @Override
                public void connect() {}
            };
        }
    }

    private static byte[] picture(int width, int height) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888).compress(Bitmap.CompressFormat.PNG, 100, out);
        return out.toByteArray();
    }

    private Page page(String address, byte[] body) {
        Page page = new Page();
        page.body = new ByteArrayInputStream(body);
        pages.put(address, page);
        return page;
    }

    @Test
    public void aSmallPictureStaysAsItIs() {
        page("https://a/", picture(60, 30));
        Bitmap image = loader.fetch("https://a/");
        assertEquals(60, image.getWidth());
        assertEquals(30, image.getHeight());
    }

    @Test
    public void aLargeOneIsScaledDown() {
        page("https://a/", picture(3000, 1500));
        Bitmap image = loader.fetch("https://a/");
        assertEquals(ImageLoader.MOST_SIDE, image.getWidth());
        assertEquals(ImageLoader.MOST_SIDE / 2, image.getHeight());
        page("https://long/", picture(4, 2500));
        assertTrue(loader.fetch("https://long/").getHeight() <= ImageLoader.MOST_SIDE);
    }

    @Test
    public void oneWithAbsurdSidesIsRefused() {
        byte[] bomb = picture(10, 10);
        // The width and the height of a PNG are its first chunk's first words.
        bomb[16] = 0x7f;
        bomb[20] = 0x7f;
        assertNull(ImageLoader.decode(bomb));
    }

    @Test
    public void whatIsNoPictureIsNone() {
        page("https://a/", "<html>".getBytes(java.nio.charset.StandardCharsets.UTF_8));
        assertNull(loader.fetch("https://a/"));
        page("https://b/", picture(4, 4)).code = 404;
        assertNull(loader.fetch("https://b/"));
        assertNull(loader.fetch("https://nobody/"));
    }

    @Test
    public void fiftyMegabytesAreNotRead() {
        int[] read = new int[1];
        page("https://a/", new byte[0]).body = new InputStream() {
            @Override
            public int read() {
                return ++read[0] > 50 << 20 ? -1 : 1;
            }
        };
        assertNull(loader.fetch("https://a/"));
        assertTrue(read[0] + " bytes", read[0] <= ImageLoader.MOST_BYTES + 64 * 1024);
        page("https://b/", picture(4, 4)).length = 50 << 20;
        assertNull("it says so itself", loader.fetch("https://b/"));
    }

    @Test
    public void oneThatTricklesIsGivenUp() {
        page("https://a/", new byte[0]).body = new InputStream() {
            @Override
            public int read() {
                now += 1000;
                return 1;
            }

            @Override
            public int read(byte[] into, int from, int length) {
                now += 1000;
                into[from] = 1;
                return 1;
            }
        };
        assertNull(loader.fetch("https://a/"));
        assertTrue(now + " ms", now <= 20_000);
    }

    @Test
    public void otherSchemesAreNotEvenAsked() {
        for (String address : new String[] {"http://a/", "file:///sdcard/a.png", "ftp://a/", "content://a", "data:image/png;base64,", "",
            "https://user:pw@a/", "javascript:1", "jar:https://a/!/b", null, "https://a/" + "x".repeat(3000)}) {
            assertNull(address, loader.fetch(address));
        }
        assertTrue(asked.toString(), asked.isEmpty());
    }

    @Test
    public void redirectsStayOnHttpsAndEnd() {
        Page page = page("https://a/", new byte[0]);
        page.code = 302;
        page.location = "http://b/";
        page("http://b/", picture(4, 4));
        assertNull(loader.fetch("https://a/"));
        assertEquals("[https://a/]", asked.toString());
        page.location = "/c";
        page("https://a/c", picture(4, 4));
        assertNotNull(loader.fetch("https://a/"));
        page.location = "https://a/";
        asked.clear();
        assertNull(loader.fetch("https://a/"));
        assertEquals(4, asked.size());
    }
}
