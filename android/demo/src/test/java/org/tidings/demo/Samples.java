package org.tidings.demo;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.LinearGradient;
import android.graphics.Paint;
import android.graphics.Shader;
import java.time.Instant;
import org.tidings.client.Given;

/** What a phone that is in use has received, in the person's language. */
final class Samples {
    static final String IMAGE = "https://shop.example.org/soup.jpg";
    static final String SERVER = "tidings:push.example.org?xmpps=5223";
    static final String KEY = "sha256:4f1c9a0e7d52b38861ce03ab94f27d15a8be6092f3d47c5510e9b8a6c2d47f31";
    private static final long MINUTE = 60_000;

    private Samples() {}

    private static final String[][] ENGLISH = {
        {"Storm warning", "Level 3 from 18:00. Stay inside, keep the windows shut, and wait for the next message.", "alerts"},
        {"Lunch?", "The soup is ready: pumpkin with ginger.", "canteen"},
        {"Backup finished", "42 GB in 11 minutes, nothing skipped.", ""},
        {"Build 1182 is green", "main: 614 tests passed in 7 min 40 s.", "builds"},
        {"Front door", "Opened at 07:12.", "home"},
        {"Disk almost full on db-2", "91 % of /var/lib is used. It will be full in about three days.", "alerts"},
        {"Choir practice moved", "Thursday 19:30 in the small hall. Bring the blue folder.", ""},
        {"Parcel on its way", "It comes tomorrow between 10 and 12.", ""},
    };
    private static final String[][] GERMAN = {
        {"Unwetterwarnung", "Stufe 3 ab 18:00 Uhr. Im Haus bleiben, Fenster schließen und auf die nächste Nachricht warten.", "warnungen"},
        {"Mittagessen?", "Die Suppe ist fertig: Kürbis mit Ingwer.", "kantine"},
        {"Sicherung fertig", "42 GB in 11 Minuten, nichts ausgelassen.", ""},
        {"Build 1182 ist grün", "main: 614 Tests bestanden in 7 min 40 s.", "builds"},
        {"Haustür", "Geöffnet um 07:12 Uhr.", "zuhause"},
        {"Festplatte auf db-2 fast voll", "91 % von /var/lib sind belegt. In etwa drei Tagen ist sie voll.", "warnungen"},
        {"Chorprobe verlegt", "Donnerstag 19:30 Uhr im kleinen Saal. Bitte die blaue Mappe mitbringen.", ""},
        {"Paket unterwegs", "Es kommt morgen zwischen 10 und 12 Uhr.", ""},
    };
    private static final String[][] CHINESE = {
        {"暴风雨预警", "18:00 起三级预警。请留在室内，关好门窗，等待后续通知。", "预警"},
        {"吃午饭吗？", "汤好了：南瓜姜汤。", "食堂"},
        {"备份完成", "11 分钟内备份 42 GB，无遗漏。", ""},
        {"构建 1182 通过", "main：614 项测试在 7 分 40 秒内通过。", "构建"},
        {"前门", "07:12 开门。", "家"},
        {"db-2 磁盘将满", "/var/lib 已使用 91 %，大约三天后写满。", "预警"},
        {"合唱排练改期", "周四 19:30，小礼堂。请带上蓝色文件夹。", ""},
        {"包裹运送中", "明天 10 点到 12 点之间送达。", ""},
    };

    private static final String[][] ARABIC = {
        {"تحذير من عاصفة", "المستوى 3 ابتداءً من الساعة 18:00. ابقوا في الداخل وأغلقوا النوافذ.", "alerts"},
        {"Lunch?", "The soup is ready: pumpkin with ginger.", "canteen"},
        {"اكتمل النسخ الاحتياطي", "42 GB", ""},
        {"Build 1182 is green", "main: 614 tests passed in 7 min 40 s.", "builds"},
        {"الباب الأمامي", "07:12", "home"},
        {"Disk almost full on db-2", "91 % of /var/lib is used.", "alerts"},
    };

    private static String[][] texts(Context context) {
        switch (context.getResources().getConfiguration().getLocales().get(0).getLanguage()) {
            case "de": return GERMAN;
            case "zh": return CHINESE;
            case "ar": return ARABIC;
            default: return ENGLISH;
        }
    }

    static String xml(String id, String title, String message, String uri, String image, String topic, String priority, long sent) {
        return "<notification xmlns='urn:tidings:push:1' id='" + id + "'" + (topic.isEmpty() ? "" : " topic='" + topic + "'") + " priority='"
                + priority + "' sent='" + Instant.ofEpochMilli(sent) + "'><title>" + title + "</title><message>" + message + "</message>"
                + (uri == null ? "" : "<uri>" + uri + "</uri>") + (image == null ? "" : "<image>" + image + "</image>") + "</notification>";
    }

    static void fill(Context context, long now) {
        Given given = new Given(context);
        String[][] texts = texts(context);
        for (int i = texts.length - 1; i >= 0; i--) {
            given.received(sample(texts[i], i, now), at(i, now), i >= 3);
        }
    }

    private static long at(int i, long now) {
        return now - (i == 0 ? 4 : i < 4 ? i * 47 : 60 * 24 * (i - 2)) * MINUTE;
    }

    private static String sample(String[] text, int i, long now) {
        return xml("n" + i, text[0], text[1], i == 0 ? "https://weather.example.org/warnings/4711" : null, i == 1 ? IMAGE : null, text[2],
                i == 0 ? "high" : "normal", at(i, now));
    }

    static String first(Context context, long now) {
        return sample(texts(context)[0], 0, now);
    }

    /** A picture: a bowl of soup, with some good will. */
    static Bitmap soup() {
        Bitmap image = Bitmap.createBitmap(640, 400, Bitmap.Config.ARGB_8888);
        Canvas canvas = new Canvas(image);
        Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG);
        paint.setShader(new LinearGradient(0, 0, 640, 400, 0xff5d4037, 0xff8d6e63, Shader.TileMode.CLAMP));
        canvas.drawRect(0, 0, 640, 400, paint);
        paint.setShader(null);
        paint.setColor(0xfffafafa);
        canvas.drawOval(90, 50, 550, 370, paint);
        paint.setColor(0xffe0e0e0);
        canvas.drawOval(130, 80, 510, 340, paint);
        paint.setShader(new LinearGradient(130, 80, 510, 340, 0xffffa726, 0xffe65100, Shader.TileMode.CLAMP));
        canvas.drawOval(150, 95, 490, 325, paint);
        paint.setShader(null);
        paint.setColor(0xff66bb6a);
        for (int i = 0; i < 5; i++) {
            canvas.drawCircle(240 + 45 * i, 200 + (i % 2) * 40, 11, paint);
        }
        return image;
    }
}
