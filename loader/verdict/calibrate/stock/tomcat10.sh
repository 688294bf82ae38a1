# Debian's Tomcat 10 with its configuration, but for the port, and a page. The folder it runs in becomes its base.
mkdir conf webapps webapps/ROOT logs temp work
cp -rL /usr/share/tomcat10/etc/* conf
sed -i "s/port=\"8080\"/port=\"$PORT\"/" conf/server.xml
echo hello >webapps/ROOT/index.html
CATALINA_HOME=/usr/share/tomcat10 CATALINA_BASE=$PWD exec /usr/share/tomcat10/bin/catalina.sh run
