# What must be true of the APK and the library before anybody gets them; sourced by android/build.

# All that the app may ask for, with the library's reasons in docs/android.md.
permissions() {
    cat demo/permissions.txt | grep -v '^#' | sort
}

check_apk() {
    local apk=$out/tidings-demo.apk badging want have
    badging=$(aapt dump badging "$apk" 2> /dev/null) || fail "aapt cannot read the APK"
    for want in "package: name='org.tidings.demo' versionCode='$v_versionCode' versionName='$v_versionName'" "sdkVersion:'$v_minSdk'" \
        "targetSdkVersion:'$v_targetSdk'" "launchable-activity: name='org.tidings.demo." "locales: '--_--' 'de' 'zh'"; do
        grep -qF "$want" <<< "$badging" || fail "the APK does not say: $want"
    done
    have=$(sed -n "s/^uses-permission: name='\([^']*\)'/\1/p" <<< "$badging" | sed "s/ maxSdkVersion='\(.*\)'/ up to API \1/" | sort)
    [ "$have" = "$(permissions)" ] || fail "the APK asks for other permissions than demo/permissions.txt lists:
$(diff <(permissions) <(echo "$have"))"
    zipalign -c 4 "$apk" || fail "the APK is not aligned"
    have=$(apksigner verify -v --min-sdk-version "$v_minSdk" "$apk" 2>&1) || fail "the signature does not hold: $have"
    for want in "Verified using v2 scheme (APK Signature Scheme v2): true" "Verified using v3 scheme (APK Signature Scheme v3): true"; do
        grep -qF "$want" <<< "$have" || fail "not so: $want"
    done
}

# The library alone, as an app that calls all that it offers would get it, by R8; the fallback shrinks less.
check_size() {
    local size
    pack_jar "$out/apk/library.jar" "$out/core" "$out/client" "$out/client-r"
    dex "$out/apk/library.jar" "$out/dex-library" "$PWD/client/consumer-rules.pro" "$PWD/tools/library.pro"
    size=$(stat -c %s "$out/dex-library/classes.dex")
    echo "the library is $size bytes of dex; all of the app $(stat -c %s "$out/dex/classes.dex")"
    [ $dexer = dx ] || [ "$size" -le "$v_libraryDex" ] || fail "the library's dex is $size bytes, more than libraryDex of versions.properties"
}
