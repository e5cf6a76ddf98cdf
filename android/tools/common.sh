# What android/build and android/test share: versions, what they fetch, and the steps up to compiled classes.
# Sourced with the current folder at android/; $needs names the command that says what is missing.
out=$PWD/out
lib=$out/lib

fail() { echo "$needs: $*" >&2; exit 1; }

while IFS='=' read -r key value; do
    case $key in ''|\#*) ;; *) declare "v_$key=$value" ;; esac
done < versions.properties

# fetch NAME: one profile of tools/pom.xml by Maven into out/lib/NAME, once for each of its versions.
fetch() {
    local folder=$lib/$1 stamp defines=() key value
    stamp=$(sed -n "/<id>$1</,/<\/profile>/p" tools/pom.xml)
    while IFS='=' read -r key value; do
        case $key in ''|\#*) ;; *) stamp=${stamp//"\${$key}"/$value} ;; esac
    done < versions.properties
    [ "$(cat "$folder/.versions" 2>/dev/null)" = "$stamp" ] && return
    command -v mvn >/dev/null || fail "Maven (mvn) is missing; it fetches what $1 needs. On Debian: apt-get install maven"
    echo "fetching $1"
    while IFS='=' read -r key value; do
        case $key in ''|\#*) ;; *) defines+=("-D$key=$value") ;; esac
    done < versions.properties
    rm -rf "$folder"
    mkdir -p "$folder"
    nice mvn -q -B -f tools/pom.xml -P "$1" "${defines[@]}" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$folder" \
        > "$folder/fetch.log" 2>&1 || return 1
    local archive
    for archive in "$folder"/*.aar; do # Maven does not unpack these.
        [ -e "$archive" ] && unzip -qo -p "$archive" classes.jar > "${archive%.aar}.jar" && rm "$archive"
    done
    echo "$stamp" > "$folder/.versions"
}

# need NAME: the same, and nothing goes on without it.
need() { fetch "$1" || { grep -m3 ERROR "$lib/$1/fetch.log" >&2; fail "$1 could not be fetched; see android/out/lib/$1/fetch.log"; }; }

jars() { # FOLDER...: their jars as a class path
    find "$@" -name '*.jar' | sort | tr '\n' ':'
}

# program COMMAND PACKAGE: installs a Debian package where its command is missing.
program() {
    command -v "$1" >/dev/null && return
    command -v apt-get >/dev/null || fail "$1 is missing, and there is no apt-get to install $2 with"
    [ "$(id -u)" = 0 ] || fail "$1 is missing: apt-get install $2"
    echo "installing $2"
    { apt-get install -y -qq --no-install-recommends "$2" || { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2"; }; } \
        > "$out/apt.log" 2>&1 || fail "$2 could not be installed; see android/out/apt.log"
}

java_version() { javac -version 2>&1 | sed 's/^javac \([0-9]*\).*/\1/'; }

require_jdk() {
    command -v javac >/dev/null || fail "a JDK is missing, 17 or newer. On Debian: apt-get install openjdk-17-jdk-headless"
    [ "$(java_version)" -ge 17 ] || fail "the JDK is too old: 17 or newer"
}

# The tools of this folder, compiled where one is newer than its class.
build_tools() {
    need build
    local newest
    newest=$(ls -t tools/*.java | head -1)
    if [ ! -f "$out/tools/.done" ] || [ "$newest" -nt "$out/tools/.done" ]; then
        rm -rf "$out/tools"
        mkdir -p "$out/tools"
        javac -Xlint:all -Werror -cp "$(jars "$lib/build")" -d "$out/tools" tools/*.java
        touch "$out/tools/.done"
    fi
}

tool() { java -XX:TieredStopAtLevel=1 -cp "$out/tools:$(jars "$lib/build")" "$@"; }

# android.jar and the framework's resources, from Android itself.
framework() {
    android=$lib/android-$v_androidAll.jar
    resources=$lib/resources-$v_androidAll.apk
    [ "$android" -nt tools/StubJar.java ] && [ "$resources" -nt tools/FrameworkResources.java ] && return
    need android
    echo "making android.jar of API $v_compileSdk"
    local all=$lib/android/android-all-$v_androidAll.jar
    tool FrameworkResources "$all" "$resources.new"
    mv "$resources.new" "$resources"
    tool StubJar "$all" "$android.new" android/ dalvik/ org/xmlpull/ org/json/ org/apache/http/ javax/microedition/
    mv "$android.new" "$android"
}

sources() { # FOLDER...
    local folder
    for folder in "$@"; do
        [ -d "$folder" ] && find "$folder" -name '*.java' | sort
    done
}

# The core has no Android class; classes into out/core.
compile_core() {
    rm -rf "$out/core"
    mkdir -p "$out/core"
    sources core/src/main/java > "$out/core.txt"
    javac --release 11 -Xlint:all -Werror -d "$out/core" @"$out/core.txt"
}

# aapt2 is older than some of the manifest's elements, and says so each time.
link() {
    aapt2 link "$@" 2> "$out/res/link.log" || { cat "$out/res/link.log" >&2; fail "aapt2 refused"; }
    ! grep -vE "Unknown chunk type '200'|unexpected element <property>" "$out/res/link.log" >&2 || true
}

# Resources of the library and of the app: out/res/*.zip, out/demo.base.apk, R classes in out/gen.
compile_resources() {
    local r=$out/res g=$out/gen
    rm -rf "$r" "$g"
    mkdir -p "$r" "$g/client" "$g/demo"
    aapt2 compile --dir client/src/main/res -o "$r/client.zip"
    aapt2 compile --dir demo/src/main/res -o "$r/demo.zip"
    link --static-lib --non-final-ids -o "$r/client.apk" -I "$resources" --manifest client/src/main/AndroidManifest.xml \
        --min-sdk-version "$v_minSdk" --warn-manifest-validation --output-text-symbols "$r/R.txt" --java "$g/client" --auto-add-overlay "$r/client.zip"
    tool MergeManifests demo/src/main/AndroidManifest.xml client/src/main/AndroidManifest.xml "$r/AndroidManifest.xml"
    local assets=()
    [ -d demo/src/main/assets ] && assets=(-A demo/src/main/assets)
    link -o "$r/base.apk" -I "$resources" --manifest "$r/AndroidManifest.xml" "${assets[@]}" \
        --min-sdk-version "$v_minSdk" --target-sdk-version "$v_targetSdk" --version-code "$v_versionCode" --version-name "$v_versionName" \
        --warn-manifest-validation --java "$g/demo" --extra-packages org.tidings.client --proguard "$r/aapt.pro" \
        --no-version-vectors --auto-add-overlay "$r/client.zip" "$r/demo.zip"
}

# Library and app, for Android: out/client, out/demo, and the app's R in out/r.
compile_apps() {
    rm -rf "$out/client" "$out/demo" "$out/r"
    mkdir -p "$out/client" "$out/demo" "$out/r"
    sources "$out/gen/demo" > "$out/r.txt"
    javac --release 11 -nowarn -d "$out/r" @"$out/r.txt"
    # The library sees its own R, whose numbers are not final: an app brings others.
    mkdir -p "$out/client-r"
    sources "$out/gen/client" > "$out/r.txt"
    javac --release 11 -nowarn -d "$out/client-r" @"$out/r.txt"
    sources client/src/main/java > "$out/client.txt"
    javac --release 11 -Xlint:all,-options -Werror -cp "$out/core:$out/client-r:$android" -d "$out/client" @"$out/client.txt"
    sources demo/src/main/java > "$out/demo.txt"
    javac --release 11 -Xlint:all,-options -Werror -cp "$out/core:$out/client:$out/r:$android" -d "$out/demo" @"$out/demo.txt"
}

# Nothing that Android 8 does not have, but where a check of the version stands before it (RequiresApi).
check_api() {
    local folder
    for folder in "$@"; do
        tool ApiLevel "$(echo "$lib"/build/android-api-level-26-*.signature)" "$folder" || fail "${folder##*/} uses what API $v_minSdk does not have"
    done
}
